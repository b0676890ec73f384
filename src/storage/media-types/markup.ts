// What text is that begins with a tag: a page or a picture that a browser would run, or XML of some kind. Pure.

/** Text that a browser would run, by the first tag in it (WHATWG MIME Sniffing, 7.1), whatever it was called. */
const ACTIVE_TAGS: ReadonlyArray<[type: string, tag: RegExp]> = [
  ['image/svg+xml', /^<(svg|!doctype svg)[\s>]/i],
  ['text/html', /^<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>/]/i],
];

/** XML that says what it is by the name of its first element. */
const XML_ROOTS: ReadonlyArray<[type: string, root: RegExp]> = [
  ['application/gpx+xml', /^<gpx[\s>]/],
  ['application/vnd.google-earth.kml+xml', /^<kml[\s>]/],
  ['application/rss+xml', /^<rss[\s>]/],
  ['application/atom+xml', /^<feed\s[^>]*"http:\/\/www\.w3\.org\/2005\/Atom"/],
];

/** What may stand before the first tag, any number of times. */
const PROLOG = [
  ['<?xml', '?>'],
  ['<!--', '-->'],
] as const;

/** Undefined for text that is no markup, or markup of no kind that is known here. */
export function typeOfMarkup(text: string): string | undefined {
  const start = text.trimStart();
  if (!start.startsWith('<')) return undefined;
  const tag = withoutProlog(start);
  const known = [...ACTIVE_TAGS, ...XML_ROOTS].find(([, begins]) => begins.test(tag))?.[0];
  if (known !== undefined) return known;
  if (start.startsWith('<?xml')) return 'application/xml';
  return start.startsWith('<!--') ? 'text/html' : undefined;
}

/** From the first tag on. Step by step, since a pattern for any number of comments may try every way to read them. */
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
