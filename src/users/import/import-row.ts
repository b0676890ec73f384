// Validates rows of an import by the rules of POST /api/users, without Nest. Pure; a test compares both sets of rules.
import { createHash } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import { EMAIL_RULES, USERNAME_RULES } from '../../shared/libs/identity.js';
import {
  cleanEmail,
  cleanText,
  hasAtMost,
  isSingleLine,
  isStorableText,
  isStreamSafe,
  isVisible,
  MAX_EMAIL,
} from '../../shared/libs/text.js';
import { UserErrors } from '../users.errors.js';
import { splitHobbies, unguardCell } from '../../shared/libs/csv/csv-cells.js';
import type { NumberedRecord } from './import-file.js';
import type { ImportColumn } from './import-header.js';

export interface ImportedUser {
  uuid: string;
  email: string | null;
  username: string | null;
  name: string | null;
  age: number | null;
  hobbies: string[];
}

/** An error in a row; a row may have one per column. */
export interface Rejection {
  row: number;
  /** Empty: the error concerns the whole row. */
  column: ImportColumn | '';
  reason: Reason;
}

/** Fixed texts that contain nothing of the file. */
export const REASONS = {
  MALFORMED: 'A quote is missing or in the wrong place: the record ends where its first line does.',
  RECORD_TOO_LONG: 'The record is longer than 65536 characters, or its quote is never closed.',
  COLUMN_COUNT: 'The record has more fields than the header.',
  NAMELESS: UserErrors.NAMELESS().message,
  NOT_AN_EMAIL: 'This is no e-mail address.',
  NOT_AN_AGE: 'The age must be a whole number from 0 to 150.',
  EMPTY: 'There is nothing to be seen in it.',
  TOO_LONG: 'It may have 254 characters as an email, 50 as a username, 100 as a name or a hobby.',
  TOO_MANY: 'There may be 50 hobbies.',
  NOT_TEXT: 'It holds NUL characters.',
  TOO_MANY_MARKS: 'It puts more than 30 combining marks on one character.',
  NOT_ONE_LINE: 'It holds a line break or another control character.',
  HIDDEN: 'It holds characters that cannot be seen, such as a zero-width space.',
  BLANKS: 'It holds blanks that are not single spaces between other characters; an e-mail address may have none.',
  VARIANTS: 'It holds fullwidth or halfwidth characters, ligatures, superscripts or other variants of plain ones.',
  EMAIL_TAKEN: 'This e-mail address belongs to another account, or stands in an earlier row.',
  USERNAME_TAKEN: 'This username belongs to another account, or stands in an earlier row.',
} as const;
export type Reason = keyof typeof REASONS;

const REASON_OF_RULE = {
  hasNoHidden: 'HIDDEN',
  hasPlainBlanks: 'BLANKS',
  hasNoBlanks: 'BLANKS',
  isEmail: 'NOT_AN_EMAIL',
  isPlainForm: 'VARIANTS',
} as const;
const IDENTITY_RULES = { email: EMAIL_RULES, username: USERNAME_RULES, name: [] };

const MAX_HOBBIES = 50;
const MAX_LENGTHS = { email: MAX_EMAIL, username: 50, name: 100, age: 3, hobbies: 100 };

export type CheckedRow = ImportedUser | Rejection[];

/** Returns a UUID that depends only on job and row, so that a repeated attempt finds the added row. Its time is the job's. */
export function rowUuid(jobId: string, row: number): string {
  const random = createHash('sha256').update(`${jobId}:${row}`).digest().subarray(0, 16);
  return uuidV7({ msecs: parseInt(jobId.replaceAll('-', '').slice(0, 12), 16), random, seq: row });
}

/** Validates a row. Missing cells at the end count as empty, and surplus empty cells are ignored: spreadsheets write both. */
export function checkRow(
  jobId: string,
  columns: ReadonlyArray<ImportColumn | null>,
  { row, record }: NumberedRecord,
): CheckedRow {
  if (typeof record === 'string') return [{ row, column: '', reason: record }];
  if (!isBlank(record.slice(columns.length).join(''))) return [{ row, column: '', reason: 'COLUMN_COUNT' }];
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
    const cell = unguardCell(cells.get(column) ?? '');
    if (isBlank(cell)) return null;
    const value = column === 'email' ? cleanEmail(cell) : cleanText(cell, MAX_LENGTHS[column]);
    const fault = faultOfText(value, MAX_LENGTHS[column]) ?? faultOfIdentity(value, IDENTITY_RULES[column]);
    if (fault) refuse(column, fault);
    return value;
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
  const cell = cells.get('age') ?? '';
  if (isBlank(cell)) return null;
  const text = cleanText(cell, MAX_LENGTHS.age);
  const age = /^(0|[1-9]\d{0,2})$/.test(text) ? Number(text) : NaN;
  if (!(age <= 150)) refuse('age', 'NOT_AN_AGE');
  return age;
}

function readHobbies(cells: Cells, refuse: Refuse): string[] {
  const hobbies = splitHobbies(cells.get('hobbies') ?? '').map((hobby) => cleanText(hobby, MAX_LENGTHS.hobbies));
  const fault = hobbies.map((hobby) => faultOfText(hobby, MAX_LENGTHS.hobbies)).find((one) => one !== null);
  if (hobbies.length > MAX_HOBBIES) refuse('hobbies', 'TOO_MANY');
  else if (fault) refuse('hobbies', fault);
  return hobbies;
}

/** Any number of blanks, because padded columns are empty. A record has at most 65,536 characters. */
function isBlank(cell: string): boolean {
  return cell.trim() === '';
}

/** Checks in the order of the rules of TextField. */
function faultOfText(text: string, max: number): Reason | null {
  if (text === '') return 'EMPTY';
  if (!hasAtMost(max, text)) return 'TOO_LONG';
  if (!isStorableText(text)) return 'NOT_TEXT';
  if (!isStreamSafe(text)) return 'TOO_MANY_MARKS';
  if (!isSingleLine(text)) return 'NOT_ONE_LINE';
  return isVisible(text) ? null : 'EMPTY';
}

function faultOfIdentity(text: string, rules: typeof EMAIL_RULES): Reason | null {
  const broken = rules.find(({ isKept }) => !isKept(text));
  return broken ? REASON_OF_RULE[broken.name] : null;
}
