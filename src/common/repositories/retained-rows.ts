// Declares which rows of a table stay for a while after their end, so that one owner may leave only so many of them.

export interface RetainedRows {
  readonly table: string;
  /** Column of the owner. Rows without an owner do not count. */
  readonly owner: string;
  /** Column that orders the rows of an owner: those with the lowest values are deleted first. */
  readonly order: string;
  /** SQL that is true for the rows that count. An index on `owner`, `order` and `id` has it as its condition. */
  readonly counted: string;
  /** SQL on the alias `old` that is true for those counted rows that may be deleted. Default: all of them. */
  readonly deletable?: string;
  /** SQL for the bytes that a row keeps outside of its table. */
  readonly bytes?: string;
}

const declarations: RetainedRows[] = [];

export function defineRetainedRows(rows: RetainedRows): RetainedRows {
  declarations.push(rows);
  return rows;
}

/** Returns the declarations of all modules that are imported by now. */
export function retainedRows(): readonly RetainedRows[] {
  return declarations;
}
