// Glob patterns as Redis has them (KEYS, SCAN), for what does not lie in Redis.

/** `*` any text, `?` one character, `[a-c]` and `[^a-c]` one of a set, a backslash takes the next character as it is. */
export function globToRegExp(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    const set = character === '[' ? /^\[(\^?)((?:\\.|[^\]\\])*)\]/s.exec(pattern.slice(at)) : null;
    if (character === '*') source += '.*';
    else if (character === '?') source += '.';
    else if (set) {
      source += set[2] === '' ? (set[1] ? '.' : '(?!)') : `[${set[1]}${quoteSet(set[2] as string)}]`;
      at += set[0].length - 1;
    } else source += quote(character === '\\' ? pattern.charAt(++at) : character);
  }
  return new RegExp(`^${source}$`, 's');
}

const quote = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Ranges stay, whatever else means something to a RegExp does not. */
const quoteSet = (set: string): string =>
  set.replace(/\\(.)|[\^[\]]/gs, (found, escaped?: string) => quote(escaped ?? found));
