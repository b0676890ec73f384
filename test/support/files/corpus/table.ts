// Small files of about a hundred formats, generated here, each with its name, its declared type and the expected type.
import * as archives from './archives.js';
import * as media from './media.js';
import { CSV, FORMATS, SIMILAR_TEXTS, latin1, utf16be, utf16le, utf32 } from './texts.js';

export type Sample = [name: string, bytes: Buffer, declared: string, expected: string];

const OCTETS = 'application/octet-stream';
const WORD = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const SHEET = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const SLIDES = 'application/vnd.openxmlformats-officedocument.presentationml.presentation';
const ODF = 'application/vnd.oasis.opendocument';
const text = (characters: string): Buffer => Buffer.from(characters);

function office(): Sample[] {
  const parts = { docx: ['word/document.xml', WORD], xlsx: ['xl/workbook.xml', SHEET], pptx: ['ppt/presentation.xml', SLIDES] } as const; // prettier-ignore
  const samples = Object.entries(parts).flatMap(([extension, [main, type]]): Sample[] => {
    const last = archives.openXml(main, type, 'last');
    return [
      [`first.${extension}`, archives.openXml(main, type, 'first'), OCTETS, type],
      [`last.${extension}`, last, type, type],
      [`Last.${extension.toUpperCase()}`, last, OCTETS, type],
      [`declared-as-zip.${extension}`, last, 'application/x-zip-compressed', type],
      [`declared-as-old.${extension}`, last, 'application/msword', type],
      [`streamed.${extension}`, archives.openXml(main, type, 'streamed'), type, type],
      [`with-password.${extension}`, archives.compoundFile(), type, type],
      ['no-extension', last, type, type],
    ];
  });
  const sheet = archives.openXml('xl/workbook.xml', SHEET, 'first');
  return [
    ...samples,
    ['a-sheet-in-truth.docx', sheet, WORD, SHEET],
    ['macros.xlsm', archives.bigZip('xl/workbook.xml'), OCTETS, 'application/vnd.ms-excel.sheet.macroenabled.12'],
    ['old.doc', archives.compoundFile(), 'application/msword', 'application/msword'],
    ['old.xls', archives.compoundFile(), 'application/vnd.ms-excel', 'application/vnd.ms-excel'],
    ['old.ppt', archives.compoundFile(), OCTETS, 'application/vnd.ms-powerpoint'],
    ['mail.msg', archives.compoundFile(), OCTETS, 'application/vnd.ms-outlook'],
    ['setup.msi', archives.compoundFile(), 'application/x-msi', 'application/x-msi'],
    ['compound', archives.compoundFile(), OCTETS, 'application/x-cfb'],
    ['compound.png', archives.compoundFile(), 'image/png', 'application/x-cfb'],
    ['a.pages', archives.zipOf('Index/Document.iwa'), OCTETS, 'application/vnd.apple.pages'],
    ['a.numbers', archives.zipOf('Index/Document.iwa'), 'application/vnd.apple.numbers', 'application/vnd.apple.numbers'],
    ['a.key', archives.zipOf('Index/Document.iwa'), 'application/x-iwork-keynote-sffkey', 'application/x-iwork-keynote-sffkey'],
    ['a.odt', archives.withMimeType(`${ODF}.text`), OCTETS, `${ODF}.text`],
    ['a.ods', archives.withMimeType(`${ODF}.spreadsheet`), 'application/zip', `${ODF}.spreadsheet`],
    ['a.odp', archives.bigZip('content.xml'), `${ODF}.presentation`, `${ODF}.presentation`],
    ['a.epub', archives.withMimeType('application/epub+zip'), OCTETS, 'application/epub+zip'],
    ['other.epub', archives.bigZip('OEBPS/a.xhtml'), 'application/epub+zip', 'application/epub+zip'],
  ]; // prettier-ignore
}

function archived(): Sample[] {
  const { bzip2, xz, zstd, lz4, sevenZip, rar } = archives.COMPRESSED;
  return [
    ['a.zip', archives.zipOf('a.txt'), 'application/x-zip-compressed', 'application/zip'],
    ['a.png', archives.zipOf('a.txt'), 'image/png', 'application/zip'],
    ['page.html', archives.zipOf('a.txt'), 'text/html', 'application/zip'],
    ['a.svg', archives.zipOf('a.txt'), 'image/svg+xml', 'application/zip'],
    ['a.jar', archives.zipOf('META-INF/MANIFEST.MF'), OCTETS, 'application/java-archive'],
    ['other.jar', archives.bigZip('a.class'), 'application/java-archive', 'application/java-archive'],
    ['a.apk', archives.zipOf('AndroidManifest.xml', 'classes.dex'), OCTETS, 'application/vnd.android.package-archive'],
    ['signed.apk', archives.zipOf('META-INF/MANIFEST.MF'), OCTETS, 'application/vnd.android.package-archive'],
    ['a.kmz', archives.zipOf('doc.kml'), 'application/vnd.google-earth.kmz', 'application/vnd.google-earth.kmz'],
    ['a.cbz', archives.zipOf('1.jpg'), OCTETS, 'application/vnd.comicbook+zip'],
    ['a.3mf', archives.bigZip('3D/a.model'), 'model/3mf', 'model/3mf'],
    ['a.tar', archives.tar('a.txt'), 'application/x-tar', 'application/x-tar'],
    ['old.tar', archives.tar('a.txt', 'v7'), OCTETS, 'application/x-tar'],
    ['a.tar.gz', archives.gzip(archives.tar('a.txt')), OCTETS, 'application/gzip'],
    ['a.tgz', archives.gzip(archives.tar('a.txt')), 'application/x-compressed-tar', 'application/x-compressed-tar'],
    ['log.gz', archives.gzip('a log'), 'application/gzip', 'application/gzip'],
    ['a.svgz', archives.gzip(FORMATS.svg), 'image/svg+xml', 'image/svg+xml-compressed'],
    ['drawing', archives.gzip(FORMATS.svg), 'image/svg+xml', 'application/gzip'],
    ['a.bz2', bzip2, OCTETS, 'application/x-bzip2'],
    ['a.tbz2', bzip2, OCTETS, 'application/x-bzip-compressed-tar'],
    ['a.xz', xz, OCTETS, 'application/x-xz'],
    ['a.zst', zstd, OCTETS, 'application/zstd'],
    ['a.lz4', lz4, OCTETS, 'application/x-lz4'],
    ['a.7z', sevenZip, OCTETS, 'application/x-7z-compressed'],
    ['a.rar', rar, 'application/vnd.rar', 'application/x-rar-compressed'],
    ['a.zlib', Buffer.concat([archives.hex('7801'), archives.noise(90)]), 'application/zlib', 'application/zlib'],
  ]; // prettier-ignore
}

function soundAndFilm(): Sample[] {
  const { AUDIO, VIDEO, isoMedia, matroska, ogg, riff, iff, id3 } = media;
  return [
    ['a.mp3', AUDIO.mp3, 'audio/mpeg', 'audio/mpeg'],
    ['tagged.mp3', id3(200), OCTETS, 'audio/mpeg'],
    ['with-cover.mp3', id3(90_000), OCTETS, 'audio/mpeg'],
    ['a.aac', AUDIO.aac, OCTETS, 'audio/aac'],
    ['a.flac', AUDIO.flac, 'audio/x-flac', 'audio/flac'],
    ['a.amr', AUDIO.amr, OCTETS, 'audio/amr'],
    ['a.mid', AUDIO.midi, 'audio/mid', 'audio/midi'],
    ['a.ape', AUDIO.ape, OCTETS, 'audio/ape'],
    ['a.wv', AUDIO.wavpack, OCTETS, 'audio/wavpack'],
    ['a.ac3', AUDIO.ac3, OCTETS, 'audio/vnd.dolby.dd-raw'],
    ['a.wav', riff('WAVE'), 'audio/x-wav', 'audio/wav'],
    ['a.aiff', iff('AIFF'), OCTETS, 'audio/aiff'],
    ['a.aifc', iff('AIFC'), OCTETS, 'audio/aiff'],
    ['a.iff', iff('ILBM'), OCTETS, OCTETS],
    ['a.ogg', ogg('\x01vorbis'), 'audio/ogg', 'audio/ogg'],
    ['a.opus', ogg('OpusHead'), 'audio/opus', 'audio/opus'],
    ['a.ogv', ogg('\x80theora'), OCTETS, 'video/ogg'],
    ['skeleton.ogv', ogg('fishead\0'), 'video/ogg', 'video/ogg'],
    ['skeleton', ogg('fishead\0'), OCTETS, 'application/ogg'],
    ['a.mp4', isoMedia('isom', 'iso2', 'mp41'), 'video/mp4', 'video/mp4'],
    ['voice.m4a', isoMedia('mp42', 'isom'), 'audio/mp4', 'audio/mp4'],
    ['music.m4a', isoMedia('M4A ', 'mp42'), OCTETS, 'audio/x-m4a'],
    ['a.mov', isoMedia('qt  '), OCTETS, 'video/quicktime'],
    ['old.mov', media.oldQuickTime(), OCTETS, 'video/quicktime'],
    ['a.3gp', isoMedia('3gp4', 'isom'), 'audio/3gpp', 'audio/3gpp'],
    ['not-a-picture.mp4', isoMedia('isom'), 'image/png', 'video/mp4'],
    ['a.mkv', matroska('matroska'), 'video/x-matroska', 'video/matroska'],
    ['a.mka', matroska('matroska'), OCTETS, 'audio/matroska'],
    ['a.webm', matroska('webm'), 'video/webm', 'video/webm'],
    ['recorded.webm', matroska('webm'), 'audio/webm', 'audio/webm'],
    ['a.avi', riff('AVI '), 'video/x-msvideo', 'video/vnd.avi'],
    ['a.ts', VIDEO.transportStream, 'video/mp2t', 'video/mp2t'],
    ['a.mpg', VIDEO.programStream, OCTETS, 'video/MP2P'],
    ['a.flv', VIDEO.flash, OCTETS, 'video/x-flv'],
    ['a.wmv', VIDEO.windowsMedia, 'video/x-ms-wmv', 'video/x-ms-wmv'],
  ];
}

async function pictured(): Promise<Sample[]> {
  const { jpeg, png, gif, webp, tiff, avif, bmp, ico, psd, jxl, bigTiff } = (await media.pictures()) as Record<string, Buffer>; // prettier-ignore
  const { isoMedia } = media;
  return [
    ['a.jpg', jpeg!, 'image/png', 'image/jpeg'],
    ['begun.jpg', jpeg!.subarray(0, 4), 'image/jpeg', 'image/jpeg'],
    ['a.png', png!, 'text/html', 'image/png'],
    ['a.gif', gif!, 'text/plain', 'image/gif'],
    ['a.webp', webp!, OCTETS, 'image/webp'],
    ['a.tiff', tiff!, OCTETS, 'image/tiff'],
    ['big.tiff', bigTiff!, OCTETS, 'image/tiff'],
    ['a.dng', bigTiff!, 'image/x-adobe-dng', 'image/x-adobe-dng'],
    ['a.nef', bigTiff!, OCTETS, 'image/x-nikon-nef'],
    ['a.avif', avif!, 'image/avif', 'image/avif'],
    ['general.avif', isoMedia('mif1', 'avif', 'miaf'), 'image/avif', 'image/avif'],
    ['film.avif', isoMedia('avis', 'avif', 'msf1'), OCTETS, 'image/avif'],
    ['a.heic', isoMedia('heic', 'mif1'), OCTETS, 'image/heic'],
    ['general.heic', isoMedia('mif1', 'heic'), 'image/heic', 'image/heic'],
    ['a.bmp', bmp!, 'image/x-ms-bmp', 'image/bmp'],
    ['favicon.ico', ico!, 'image/vnd.microsoft.icon', 'image/x-icon'],
    ['a.psd', psd!, OCTETS, 'image/vnd.adobe.photoshop'],
    ['a.jxl', jxl!, 'image/jxl', 'image/jxl'],
    ['said-to-be.png', media.DATA.unknown, 'image/png', OCTETS],
  ];
}

function binary(): Sample[] {
  const { FONTS, PROGRAMS, DATA } = media;
  return [
    ['a.woff', FONTS.woff, OCTETS, 'font/woff'],
    ['a.woff2', FONTS.woff2, OCTETS, 'font/woff2'],
    ['a.ttf', FONTS.ttf, 'application/x-font-ttf', 'font/ttf'],
    ['a.otf', FONTS.otf, OCTETS, 'font/otf'],
    ['a.wasm', PROGRAMS.wasm, OCTETS, 'application/wasm'],
    ['program', PROGRAMS.elf, OCTETS, 'application/x-elf'],
    ['a.exe', PROGRAMS.exe, 'image/png', 'application/x-msdownload'],
    ['A.class', PROGRAMS.javaClass, OCTETS, 'application/java-vm'],
    ['a.sqlite', DATA.sqlite, OCTETS, 'application/x-sqlite3'],
    ['a.gpkg', DATA.sqlite, OCTETS, 'application/geopackage+sqlite3'],
    ['a.parquet', DATA.parquet, OCTETS, 'application/vnd.apache.parquet'],
    ['a.dcm', DATA.dicom, OCTETS, 'application/dicom'],
    ['a.shp', DATA.shapefile, OCTETS, 'application/x-esri-shape'],
    ['a.pcap', DATA.pcap, OCTETS, 'application/vnd.tcpdump.pcap'],
    ['a.glb', DATA.glb, OCTETS, 'model/gltf-binary'],
    ['binary.stl', DATA.binaryStl, 'model/stl', 'model/stl'],
    ['binary.STL', DATA.binaryStl, OCTETS, 'model/stl'],
    ['own.xyz', DATA.unknown, 'application/x-own', 'application/x-own'],
    ['unknown.docx', DATA.unknown, WORD, OCTETS],
    ['unknown.exe', DATA.unknown, 'application/x-msdownload', OCTETS],
    ['unknown.csv', DATA.unknown, 'text/csv', OCTETS],
    ['unknown', DATA.unknown, OCTETS, OCTETS],
  ];
}

function markup(): Sample[] {
  const f = FORMATS;
  return [
    ['a.svg', text(f.svg), 'image/svg+xml', 'image/svg+xml'],
    ['a.png', text(f.svg), 'image/png', 'image/svg+xml'],
    ['a.txt', text(f.svgWithProlog), 'text/plain', 'image/svg+xml'],
    ['a.xml', utf16le(f.svgWithProlog), 'application/xml', 'image/svg+xml'],
    ['not.svg', text(f.xml), 'image/svg+xml', 'application/xml'],
    ['a.html', text(f.html), OCTETS, 'text/html'],
    ['a.csv', text(f.html), 'text/csv', 'text/html'],
    ['a.json', utf16be(f.html), 'application/json', 'text/html'],
    ['nul.txt', text(`${f.html}\0`), 'text/plain', 'text/html'],
    ['latin1.txt', latin1(`<title>é</title>`), 'text/plain', 'text/html'],
    ['a.xhtml', text(f.xhtml), 'application/xhtml+xml', 'application/xhtml+xml'],
    ['said-to-be.xhtml', text('hello'), 'application/xhtml+xml', OCTETS],
    ['other.xhtml', text(f.html), 'application/xhtml+xml', 'text/html'],
    ['a.gpx', text(f.gpx), OCTETS, 'application/gpx+xml'],
    ['bare.gpx', text(f.bareGpx), 'application/xml', 'application/gpx+xml'],
    ['a.kml', text(f.kml), 'application/vnd.google-earth.kml+xml', 'application/vnd.google-earth.kml+xml'],
    ['feed.rss', text(f.rss), 'text/xml', 'application/rss+xml'],
    ['feed.atom', text(f.atom), OCTETS, 'application/atom+xml'],
    ['a.dae', text(f.collada), 'model/vnd.collada+xml', 'model/vnd.collada+xml'],
    ['a.plist', text(f.plist), OCTETS, 'application/x-plist'],
    ['a.xml', text(f.xml), 'text/xml', 'application/xml'],
    ['utf16.xml', utf16be(f.xml), OCTETS, 'application/xml'],
    ['bare.xml', text(f.bareXml), 'application/xml', 'application/xml'],
    ['README.md', text(f.markdown), 'text/markdown', 'text/markdown'],
    ['README.md', text(f.markdown), OCTETS, 'text/markdown'],
    ['README.md', text(f.commentedMarkdown), 'text/x-markdown', 'text/x-markdown'],
    ['README.txt', text(f.markdown), 'text/plain', 'text/html'],
    ['a.php', text(f.php), 'application/x-httpd-php', 'application/x-httpd-php'],
  ];
}

function texts(): Sample[] {
  const f = FORMATS;
  const plain: Sample[] = [
    ['a.csv', text(CSV), 'text/csv', 'text/csv'],
    ['bom.csv', text(`\uFEFF${CSV}`), 'text/csv', 'text/csv'],
    ['utf16le.csv', utf16le(CSV), 'text/csv', 'text/csv'],
    ['utf16be.csv', utf16be(CSV), OCTETS, 'text/csv'],
    ['utf32le.csv', utf32(CSV, true), 'text/csv', 'text/csv'],
    ['utf32be.csv', utf32(CSV, false), OCTETS, 'text/csv'],
    ['windows-1252.csv', latin1(CSV), 'text/csv', 'text/csv'],
    ['ctrl-z.csv', text(`${CSV}\x1A`), 'text/csv', 'text/csv'],
    ['of-excel.csv', text(CSV), 'application/vnd.ms-excel', 'text/csv'],
    ['powershell.txt', utf16le('hello\r\n'), OCTETS, 'text/plain'],
    ['ends-in-e-acute.txt', latin1('un petit café'), 'text/plain', 'text/plain'],
    ['latin1.json', latin1('{"a":"é"}'), 'application/json', OCTETS],
    ['half-a-pair.txt', Buffer.from([0xff, 0xfe, 0x3d, 0xd8]), 'text/plain', OCTETS],
    ['fix.log', text('8=FIX.4.4\x019=5\x01'), 'text/plain', 'text/plain'],
    ['a.ics', text(f.calendar), OCTETS, 'text/calendar'],
    ['a.vcf', text(f.card), 'text/x-vcard', 'text/vcard'],
    ['a.eml', text(f.mail), 'message/rfc822', 'message/rfc822'],
    ['8bit.eml', latin1(f.mail.replace('Hello', 'Café')), OCTETS, 'message/rfc822'],
    ['a.vtt', text(f.vtt), OCTETS, 'text/vtt'],
    ['a.srt', text(f.srt), OCTETS, 'application/x-subrip'],
    ['a.json', text(f.json), 'application/json', 'application/json'],
    ['a.geojson', text(f.geojson), OCTETS, 'application/geo+json'],
    ['a.ndjson', text(f.ndjson), OCTETS, 'application/x-ndjson'],
    ['a.yaml', text(f.yaml), OCTETS, 'application/yaml'],
    ['a.toml', text(f.toml), OCTETS, 'application/toml'],
    ['a.pdf', text(f.pdf), 'text/plain', 'application/pdf'],
    ['a.ai', text(f.pdf), 'application/illustrator', 'application/illustrator'],
    ['a.ps', text(f.postscript), OCTETS, 'application/postscript'],
    ['a.eps', text(f.eps), OCTETS, 'application/eps'],
    ['a.rtf', text(f.rtf), 'text/rtf', 'application/rtf'],
    ['a.stl', text(f.stl), OCTETS, 'model/stl'],
    ['a.obj', text(f.obj), OCTETS, 'model/obj'],
    ['a.gltf', text(f.gltf), OCTETS, 'model/gltf+json'],
    ['a.step', text(f.step), OCTETS, 'model/step'],
    ['a.m3u', text(f.playlist), 'audio/x-mpegurl', 'audio/x-mpegurl'],
    ['a.ts', text(f.typescript), 'video/mp2t', 'text/plain'],
    ['cert.pem', text(f.pem), 'application/x-x509-ca-cert', 'application/x-x509-ca-cert'],
    ['a.sh', text(f.script), 'application/x-sh', 'application/x-sh'],
    ['a.js', text('alert(1)'), OCTETS, OCTETS],
    ['said-to-be.png', text('hello'), 'image/png', OCTETS],
    ['said-to-be.docx', text('hello'), WORD, OCTETS],
    ['said-to-be.zip', text('hello'), 'application/zip', OCTETS],
  ];
  const lookalikes = SIMILAR_TEXTS.flatMap(([characters, notA], index): Sample[] => [
    [`lookalike-${index}.txt`, text(characters), OCTETS, 'text/plain'],
    [`lookalike-${index}.csv`, latin1(`${characters}é`), 'text/csv', 'text/csv'],
    [`lookalike-${index}`, text(characters), notA, notA === 'model/stl' ? notA : OCTETS],
  ]);
  return [...plain, ...lookalikes];
}

export async function corpus(): Promise<Sample[]> {
  return [...office(), ...archived(), ...soundAndFilm(), ...(await pictured()), ...binary(), ...markup(), ...texts()];
}
