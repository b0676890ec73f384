// Formats dates of a report: in English and UTC, so that all readers see the same.

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

/** `mark`: text below a column. `span`: below `mark`, the text that neighbouring columns share. */
export interface AxisLabel {
  mark: string;
  span: string;
}

const two = (value: number): string => String(value).padStart(2, '0');

const monthOf = (at: Date): string => MONTHS[at.getUTCMonth()] as string;

/** `07 Mar 2026` */
export function dayLabel(time: number): string {
  const at = new Date(time);
  return `${two(at.getUTCDate())} ${monthOf(at)} ${at.getUTCFullYear()}`;
}

/** `07 Mar 2026, 09:05 UTC` */
export function momentLabel(time: number): string {
  const at = new Date(time);
  return `${dayLabel(time)}, ${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC`;
}

/** `7` over `Mar` */
export function weekLabel(time: number): AxisLabel {
  const at = new Date(time);
  return { mark: String(at.getUTCDate()), span: monthOf(at) };
}

/** `Mar` over `2026` */
export function monthLabel(time: number): AxisLabel {
  const at = new Date(time);
  return { mark: monthOf(at), span: String(at.getUTCFullYear()) };
}
