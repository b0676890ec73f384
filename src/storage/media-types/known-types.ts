// Media types that the bytes alone do not prove: types of containers and of text, with their extensions. Data.
import { hasSignature } from './signatures.js';

/** Media types and their extensions. None of these runs in a browser: active types must be proven by the bytes. */
type Types = Record<string, string>;

const OPEN_XML: Types = {
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.template': 'dotx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.template': 'xltx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'application/vnd.openxmlformats-officedocument.presentationml.slideshow': 'ppsx',
  'application/vnd.openxmlformats-officedocument.presentationml.template': 'potx',
  'application/vnd.ms-word.document.macroenabled.12': 'docm',
  'application/vnd.ms-word.template.macroenabled.12': 'dotm',
  'application/vnd.ms-excel.sheet.macroenabled.12': 'xlsm',
  'application/vnd.ms-excel.template.macroenabled.12': 'xltm',
  'application/vnd.ms-excel.sheet.binary.macroenabled.12': 'xlsb',
  'application/vnd.ms-powerpoint.presentation.macroenabled.12': 'pptm',
  'application/vnd.ms-powerpoint.slideshow.macroenabled.12': 'ppsm',
  'application/vnd.ms-visio.drawing': 'vsdx',
};

const JAVA_ARCHIVES: Types = {
  'application/vnd.android.package-archive': 'apk',
  'application/x-java-web-archive': 'war',
  'application/x-xpinstall': 'xpi',
};

const ZIP: Types = {
  ...OPEN_XML,
  ...JAVA_ARCHIVES,
  'application/java-archive': 'jar',
  'application/vnd.oasis.opendocument.text': 'odt',
  'application/vnd.oasis.opendocument.text-template': 'ott',
  'application/vnd.oasis.opendocument.spreadsheet': 'ods',
  'application/vnd.oasis.opendocument.spreadsheet-template': 'ots',
  'application/vnd.oasis.opendocument.presentation': 'odp',
  'application/vnd.oasis.opendocument.presentation-template': 'otp',
  'application/vnd.oasis.opendocument.graphics': 'odg',
  'application/vnd.oasis.opendocument.formula': 'odf',
  'application/vnd.oasis.opendocument.database': 'odb',
  'application/vnd.apple.pages': 'pages',
  'application/vnd.apple.numbers': 'numbers',
  'application/vnd.apple.keynote': 'key',
  'application/x-iwork-pages-sffpages': '',
  'application/x-iwork-numbers-sffnumbers': '',
  'application/x-iwork-keynote-sffkey': '',
  'application/epub+zip': 'epub',
  'application/vnd.google-earth.kmz': 'kmz',
  'application/vnd.comicbook+zip': 'cbz',
  'application/x-cbz': '',
  'application/x-ios-app': 'ipa',
  'application/x-krita': 'kra',
  'application/vnd.recordare.musicxml': 'mxl',
  'application/vnd.adobe.indesign-idml-package': 'idml',
  'application/vnd.ms-xpsdocument': 'xps',
  'application/oxps': 'oxps',
  'image/openraster': 'ora',
  'model/3mf': '3mf',
};

const COMPOUND_FILE: Types = {
  ...OPEN_XML, // encrypted with a password
  'application/msword': 'doc dot',
  'application/vnd.ms-excel': 'xls xlt xla',
  'application/vnd.ms-powerpoint': 'ppt pps pot',
  'application/vnd.ms-outlook': 'msg',
  'application/vnd.ms-project': 'mpp',
  'application/vnd.ms-publisher': 'pub',
  'application/x-mspublisher': '',
  'application/vnd.ms-works': 'wps',
  'application/vnd.visio': 'vsd',
  'application/x-msi': 'msi',
  'application/x-hwp': 'hwp',
};

const CAMERA_RAW: Types = {
  'image/x-adobe-dng': 'dng',
  'image/x-nikon-nef': 'nef',
  'image/x-sony-arw': 'arw',
  'image/x-canon-cr2': 'cr2',
  'image/x-pentax-pef': 'pef',
};

const OGG: Types = { 'audio/ogg': 'oga', 'video/ogg': 'ogv', 'audio/opus': '' };

/** The possible types by the type that the bytes prove. */
const KINDS = new Map<string, Types>([
  ['application/zip', ZIP],
  ['application/java-archive', JAVA_ARCHIVES],
  ['application/x-cfb', COMPOUND_FILE],
  ['application/gzip', { 'application/x-compressed-tar': 'tgz', 'application/x-gtar': '', 'application/x-tgz': '', 'application/x-gnumeric': 'gnumeric', 'image/svg+xml-compressed': 'svgz' }],
  ['application/x-bzip2', { 'application/x-bzip-compressed-tar': 'tbz tbz2' }],
  ['application/x-xz', { 'application/x-xz-compressed-tar': 'txz' }],
  ['application/zstd', { 'application/x-zstd-compressed-tar': 'tzst' }],
  ['application/ogg', OGG],
  ['audio/ogg', { 'audio/opus': '', 'audio/speex': '' }],
  ['video/matroska', { 'audio/matroska': 'mka', 'audio/x-matroska': '' }],
  ['video/webm', { 'audio/webm': 'weba' }],
  ['video/mp4', { 'audio/mp4': 'm4a m4b', 'audio/x-m4a': '', 'video/x-m4v': 'm4v', 'application/mp4': '' }],
  ['video/3gpp', { 'audio/3gpp': '' }],
  ['video/x-ms-asf', { 'video/x-ms-wmv': 'wmv' }],
  ['audio/x-ms-asf', { 'audio/x-ms-wma': 'wma' }],
  ['application/vnd.ms-asf', { 'video/x-ms-wmv': 'wmv', 'audio/x-ms-wma': 'wma' }],
  ['image/heif', { 'image/heic': 'heic' }],
  ['image/tiff', CAMERA_RAW],
  ['application/pdf', { 'application/illustrator': 'ai' }],
  ['application/postscript', { 'application/eps': 'eps', 'application/illustrator': 'ai' }],
  ['application/x-sqlite3', { 'application/geopackage+sqlite3': 'gpkg' }],
  ['application/xml', { 'application/gpx+xml': 'gpx', 'application/vnd.google-earth.kml+xml': 'kml', 'application/rss+xml': 'rss', 'application/atom+xml': 'atom', 'application/x-plist': 'plist' }],
]); // prettier-ignore

/** Types that the container would prove. XML is not among them, because it may lack its declaration. */
const CONTAINED = new Set(
  [...KINDS].flatMap(([shown, types]) => (shown === 'application/xml' ? [] : Object.keys(types))),
);

/** Text types whose bytes prove only that they are text. */
const TEXT: Types = {
  'text/plain': 'txt log ini cfg conf properties env c h cc cpp hpp cs go java kt py rb rs sh bat ps1 ts tsx mts cts lua pl r swift',
  'text/csv': 'csv',
  'text/tab-separated-values': 'tsv tab',
  'text/markdown': 'md markdown',
  'text/calendar': 'ics',
  'text/vcard': 'vcf',
  'text/vtt': 'vtt',
  'application/x-subrip': 'srt',
  'application/json': 'json',
  'application/geo+json': 'geojson',
  'application/x-ndjson': 'ndjson jsonl',
  'application/yaml': 'yaml yml',
  'application/toml': 'toml',
  'application/sql': 'sql',
  'application/x-tex': 'tex',
  'message/rfc822': 'eml',
  'audio/mpegurl': 'm3u',
  'audio/x-mpegurl': '',
  'image/vnd.dxf': 'dxf',
  'image/x-xbitmap': 'xbm',
  'image/x-xpixmap': 'xpm',
  'image/x-portable-bitmap': '',
  'image/x-portable-graymap': '',
  'image/x-portable-pixmap': '',
  'model/obj': 'obj',
  'model/mtl': 'mtl',
  'model/gltf+json': 'gltf',
  'model/step': 'step stp',
}; // prettier-ignore

/** Types that may be text or binary. */
const EITHER: Types = { 'model/stl': 'stl' };

/** Text types that contain HTML and may begin with it. */
const AROUND_HTML = new Set(['text/markdown', 'text/x-markdown', 'text/x-web-markdown', 'text/x-php', 'application/x-php', 'application/x-httpd-php', 'text/x-vue']); // prettier-ignore
/** Types that a browser runs. */
const ACTIVE = new Set(['text/html', 'image/svg+xml', 'application/xhtml+xml']);
/** These must be proven by the bytes; HTML need not, because it may begin with any word. */
const ACTIVE_XML = /^(image\/svg|application\/xhtml)\+xml$/;
const UNICODE_ONLY = /[/+](?:json|xml|yaml)$/;

const BY_EXTENSION = new Map(
  [...KINDS.values(), TEXT, EITHER].flatMap((types) =>
    Object.entries(types).flatMap(([type, extensions]) => extensions.split(' ').map((one) => [one, type] as const)),
  ),
);

/** True when bytes that prove the type `shown` may have the narrower type `type`. */
export function isKindOf(type: string, shown: string): boolean {
  if (Object.hasOwn(KINDS.get(shown) ?? {}, type)) return true;
  if (shown === 'application/zip') return type.endsWith('+zip');
  if (shown === 'application/xml') return type.endsWith('+xml') && !ACTIVE_XML.test(type);
  return ACTIVE.has(shown) && AROUND_HTML.has(type);
}

/** True when bytes that prove only that they are text may have this type. */
export function mayBeText(type: string, isUnicode: boolean): boolean {
  if (ACTIVE_XML.test(type)) return false;
  return isTextual(type) ? isUnicode || !UNICODE_ONLY.test(type) : mayBeUnsigned(type);
}

/** True when bytes that are not text and prove nothing may have this type. */
export function mayBeBinary(type: string): boolean {
  return !isTextual(type) && mayBeUnsigned(type);
}

/** Returns undefined when the extension is unknown, or stands for a type that the bytes must prove. */
export function typeByExtension(name: string): string | undefined {
  const extension = /\.([a-z0-9]{1,10})$/i.exec(name)?.[1];
  return extension && BY_EXTENSION.get(extension.toLowerCase());
}

function isTextual(type: string): boolean {
  return /^text\/|[/+](?:json|xml|javascript|yaml|csv)$/.test(type) || Object.hasOwn(TEXT, type);
}

function mayBeUnsigned(type: string): boolean {
  return !hasSignature(type) && !type.endsWith('+zip') && !CONTAINED.has(type);
}
