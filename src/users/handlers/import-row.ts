// Rows of an import: the same rules as for POST /api/users, without Nest. Pure; a test holds the two together.
import { createHash } from 'node:crypto';
import { isEmail, maxLength, minLength } from 'class-validator';
import { v7 as uuidV7 } from 'uuid';
import { isStorableText } from '../../shared/libs/text.js';
import { UserErrors } from '../users.errors.js';
import { splitHobbies, unguardCell } from './csv-cells.js';
import type { ImportColumn, NumberedRecord } from './import-file.js';

export interface ImportedUser {
  uuid: string;
  email: string | null;
  username: string | null;
  name: string | null;
  age: number | null;
  hobbies: string[];
}

/** A fault of a row; it may have one in each column. */
export interface Rejection {
  row: number;
  /** Empty: the row as a whole. */
  column: ImportColumn | '';
  reason: Reason;
}

/** Fixed texts: nothing of the file stands in them. */
export const REASONS = {
  MALFORMED: 'A quote is missing or in the wrong place: the record ends where its first line does.',
  RECORD_TOO_LONG: 'The record is longer than 65536 characters, or its quote is never closed.',
  COLUMN_COUNT: 'The record has more or fewer fields than the header.',
  NAMELESS: UserErrors.NAMELESS().message,
  NOT_AN_EMAIL: 'This is no e-mail address.',
  NOT_AN_AGE: 'The age must be a whole number from 0 to 150.',
  EMPTY: 'There is nothing to be seen in it.',
  TOO_LONG: 'It may have 254 characters as an email, 50 as a username, 100 as a name or a hobby.',
  TOO_MANY: 'There may be 50 hobbies.',
  NOT_TEXT: 'It holds NUL characters.',
  EMAIL_TAKEN: 'This e-mail address belongs to another account, or stands in an earlier row.',
  USERNAME_TAKEN: 'This username belongs to another account, or stands in an earlier row.',
} as const;
export type Reason = keyof typeof REASONS;

const MOST_HOBBIES = 50;
const LONGEST = { email: 254, username: 50, name: 100, hobbies: 100 };

export type CheckedRow = ImportedUser | Rejection[];

/** The same row of the same job is the same user: whoever adds it again finds it. The time is that of the job. */
export function rowUuid(jobId: string, row: number): string {
  const random = createHash('sha256').update(`${jobId}:${row}`).digest().subarray(0, 16);
  return uuidV7({ msecs: parseInt(jobId.replaceAll('-', '').slice(0, 12), 16), random, seq: row });
}

export function checkRow(
  jobId: string,
  columns: ReadonlyArray<ImportColumn | null>,
  { row, record }: NumberedRecord,
): CheckedRow {
  if (typeof record === 'string') return [{ row, column: '', reason: record }];
  if (record.length !== columns.length) return [{ row, column: '', reason: 'COLUMN_COUNT' }];
  const rejections: Rejection[] = [];
  const cells = new Map(columns.map((column, index) => [column, record[index] ?? '']));
  const user = {
    uuid: rowUuid(jobId, row),
    ...readCells(cells, (column, reason) => rejections.push({ row, column, reason })),
  };
  if (rejections.length === 0 && user.email === null && user.username === null)
    rejections.push({ row, column: '', reason: 'NAMELESS' });
  return rejections.length > 0 ? rejections : user;
}

type Cells = ReadonlyMap<ImportColumn | null, string>;
type Refuse = (column: ImportColumn, reason: Reason) => void;

function readCells(cells: Cells, refuse: Refuse): Omit<ImportedUser, 'uuid'> {
  const text = (column: 'email' | 'username' | 'name'): string | null => {
    const value = clean(unguardCell(cells.get(column) ?? ''));
    if (value === '') return null;
    const known = column === 'email' ? value.toLowerCase() : value;
    const fault = column === 'email' ? faultOfEmail(known) : faultOfText(known, LONGEST[column]);
    if (fault) refuse(column, fault);
    return known;
  };
  return {
    email: text('email'),
    username: text('username'),
    name: text('name'),
    age: readAge(cells, refuse),
    hobbies: readHobbies(cells, refuse),
  };
}

function readAge(cells: Cells, refuse: Refuse): number | null {
  const text = clean(cells.get('age') ?? '');
  if (text === '') return null;
  const age = /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : NaN;
  if (!(age <= 150)) refuse('age', 'NOT_AN_AGE');
  return age;
}

function readHobbies(cells: Cells, refuse: Refuse): string[] {
  const hobbies = splitHobbies(cells.get('hobbies') ?? '').map(clean);
  const fault = hobbies.map((hobby) => faultOfText(hobby, LONGEST.hobbies)).find((one) => one !== null);
  if (hobbies.length > MOST_HOBBIES) refuse('hobbies', 'TOO_MANY');
  else if (fault) refuse('hobbies', fault);
  return hobbies;
}

/** As TextField has it. */
function clean(text: string): string {
  return isStorableText(text) ? text.normalize('NFC').trim() : text;
}

function faultOfText(text: string, most: number): Reason | null {
  if (!isStorableText(text)) return 'NOT_TEXT';
  if (!minLength(text, 1)) return 'EMPTY';
  return text.length > most && [...text].length > most ? 'TOO_LONG' : null;
}

function faultOfEmail(text: string): Reason | null {
  if (!isStorableText(text)) return 'NOT_TEXT';
  if (!maxLength(text, LONGEST.email)) return 'TOO_LONG';
  return isEmail(text) ? null : 'NOT_AN_EMAIL';
}
