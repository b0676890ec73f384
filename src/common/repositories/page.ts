// One page of a list, and the request for it.

export interface Page<T> {
  items: T[];
  /** Opaque; null on the last page. */
  nextCursor: string | null;
}

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
  /** Name of a sort column, with a minus before it for descending order. */
  sort: string;
}
