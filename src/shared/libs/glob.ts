// Redis glob patterns (KEYS, SCAN) for keys that are not stored in Redis.

/** Null stands for `*`: any text, including the empty text. */
type Token = ((character: string) => boolean) | null;

/**
 * Returns a matcher for a pattern: `*` any text, `?` one character, `[a-c]` and `[^a-c]` one of a set; a backslash escapes
 * the next character. It does not compile the pattern to one RegExp: the time of that would grow with the length of the
 * text to the power of the number of stars.
 */
export function globMatcher(pattern: string): (text: string) => boolean {
  const tokens = tokensOf(pattern);
  return (text) => matches(tokens, text);
}

/** After a mismatch behind a star, retries one character further on. Earlier stars never need a retry. */
function matches(tokens: readonly Token[], text: string): boolean {
  let [at, token, star, retryAt] = [0, 0, -1, 0];
  while (at < text.length) {
    const test = tokens[token];
    if (test === null) {
      star = token++;
      retryAt = at;
    } else if (test?.(text.charAt(at))) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++retryAt;
    } else return false;
  }
  return tokens.slice(token).every((rest) => rest === null);
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    const set = character === '[' ? /^\[(\^?)((?:\\.|[^\]\\])*)\]/s.exec(pattern.slice(at)) : null;
    if (character === '*') tokens.push(null);
    else if (character === '?') tokens.push(() => true);
    else if (set) {
      tokens.push(oneOf(set[2] as string, set[1] === '^'));
      at += set[0].length - 1;
    } else {
      const literal = character === '\\' ? pattern.charAt(++at) : character;
      if (literal !== '') tokens.push((other) => other === literal);
    }
  }
  return tokens;
}

/** Returns a test for one character set. A backslash escapes the next character; a range may be written in either order. */
function oneOf(set: string, isNegated: boolean): (character: string) => boolean {
  const ranges = [...set.matchAll(/\\(.)|(.)(?:-(.))?/gs)].map(([, escaped, first = escaped ?? '', last = first]) =>
    first < last ? ([first, last] as const) : ([last, first] as const),
  );
  return (character) => ranges.some(([first, last]) => first <= character && character <= last) !== isNegated;
}
