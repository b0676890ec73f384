// Detects the type of text that begins with a tag: a page or picture that a browser would run, or some kind of XML. Pure.

/** Text that a browser would run, by its first tag (WHATWG MIME Sniffing, 7.1), whatever its declared type. */
const ACTIVE_TAGS: ReadonlyArray<[type: string, tag: RegExp]> = [
  ['image/svg+xml', /^<(svg|!doctype svg)[\s>]/i],
  ['text/html', /^<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>/]/i],
];

/** XML types by the name of the first element. */
const XML_ROOTS: ReadonlyArray<[type: string, root: RegExp]> = [
  ['application/gpx+xml', /^<gpx[\s>]/],
  ['application/vnd.google-earth.kml+xml', /^<kml[\s>]/],
  ['application/rss+xml', /^<rss[\s>]/],
  ['application/atom+xml', /^<feed\s[^>]*"http:\/\/www\.w3\.org\/2005\/Atom"/],
];

/** Text that may stand before the first tag, any number of times. */
const PROLOG = [
  ['<?xml', '?>'],
  ['<!--', '-->'],
] as const;

/** Returns undefined for text that is no markup, or markup of an unknown kind. */
export function typeOfMarkup(text: string): string | undefined {
  const start = text.trimStart();
  if (!start.startsWith('<')) return undefined;
  const tag = withoutProlog(start);
  const known = [...ACTIVE_TAGS, ...XML_ROOTS].find(([, begins]) => begins.test(tag))?.[0];
  if (known !== undefined) return known;
  if (start.startsWith('<?xml')) return 'application/xml';
  return start.startsWith('<!--') ? 'text/html' : undefined;
}

/** Returns the text from the first tag on. Uses a loop: a pattern for any number of comments could backtrack heavily. */
function withoutProlog(start: string): string {
  let rest = start;
  for (;;) {
    const part = PROLOG.find(([begin]) => rest.startsWith(begin));
    if (!part) return rest;
    const [begin, end] = part;
    const at = rest.indexOf(end, begin.length);
    if (at < 0) return '';
    rest = rest.slice(at + end.length).trimStart();
  }
}
