// Small texts: in several encodings, with beginnings that resemble signatures, and in text formats.

type Bytes = Buffer;

export const latin1 = (text: string): Bytes => Buffer.from(text, 'latin1');
export const utf16le = (text: string): Bytes => Buffer.from(`\uFEFF${text}`, 'utf16le');
export const utf16be = (text: string): Bytes => Buffer.from(utf16le(text)).swap16();

export function utf32(text: string, isLittle: boolean): Bytes {
  return Buffer.concat(
    [...`\uFEFF${text}`].map((character) => {
      const bytes = Buffer.alloc(4);
      if (isLittle) bytes.writeUInt32LE(character.codePointAt(0) as number);
      else bytes.writeUInt32BE(character.codePointAt(0) as number);
      return bytes;
    }),
  );
}

export const CSV = 'name;city\r\nZoë;Köln\r\n';

/** Texts whose beginning is also the signature of a binary format. */
export const SIMILAR_TEXTS: ReadonlyArray<[text: string, notA: string]> = [
  ['MAC Address,Name\n00:11,a\n', 'audio/ape'],
  ['GIFTS for Anna', 'image/gif'],
  ['GIF89a is a file format\n', 'image/gif'],
  ['ID3,artist,title\n1,a,b\n', 'audio/mpeg'],
  ['BMI,weight\n22,70\n', 'image/bmp'],
  ['solid rock and other songs\n', 'model/stl'],
  ['MZ,DE,FR\n', 'application/x-msdownload'],
  ['BZh is how bzip2 begins', 'application/x-bzip2'],
  ['FLIFs and flops\n', 'image/flif'],
  ['8BPS means Photoshop', 'image/vnd.adobe.photoshop'],
  ['FORM 1040\n', 'audio/aiff'],
  ['icns,png\n', 'image/icns'],
  ['MP+ and MPC\n', 'audio/x-musepack'],
  ['CWS,FWS,ZWS\n', 'application/x-shockwave-flash'],
  ['MThd begins a MIDI file\n', 'audio/midi'],
  ['OggS begins a page of Ogg, whose head has twenty-seven bytes\n', 'application/ogg'],
  ['LZIP,GZIP\n', 'application/x-lzip'],
  ['DSD audio\n', 'audio/x-dsf'],
  ['fLaC,wav\n', 'audio/flac'],
  ['wvpk,ape\n', 'audio/wavpack'],
  ['SQLite is a database\n', 'application/x-sqlite3'],
  ['SQLi attempts,count\n', 'application/x-sqlite3'],
  ['MSCF members\n', 'application/vnd.ms-cab-compressed'],
  ['PAR1,PAR2\n', 'application/vnd.apache.parquet'],
  ['PARENT,CHILD\n1,2\n', 'application/vnd.apache.parquet'],
  ['Cr24 steel\n', 'application/x-google-chrome-extension'],
  ['regfile\n', 'application/x-ft-windows-registry-hive'],
  ['ITSF,x\n', 'application/vnd.ms-htmlhelp'],
  ['AC1032,AC1027\n', 'image/vnd.dwg'],
  ['070707,a number\n', 'application/x-cpio'],
  ['BLENDER is a program\n', 'application/x-blender'],
  ['Extended Module: a lesson\n', 'audio/x-xm'],
  ['The wide world\n', 'video/quicktime'],
  ['The free market\n', 'video/quicktime'],
  ['All ftyp boxes\n', 'video/mp4'],
  ['%PDF is a signature\n', 'application/pdf'],
  ['%!TEX program = xelatex\n', 'application/postscript'],
  ['IMPMark,x\n', 'audio/x-it'],
  ['DRACONIAN\n', 'application/vnd.google.draco'],
  ['#!AMReader\n', 'audio/amr'],
  [`G,${'x'.repeat(186)}G,\n`, 'video/mp2t'],
  [`abcdefg**ACE and ** more stars\n`, 'application/x-ace-compressed'],
  ['RIFF,1234WAVE\n', 'audio/wav'],
  ['IIX,III,IV\n', 'image/tiff'],
];

export const FORMATS = {
  svg: '<svg xmlns="http://www.w3.org/2000/svg"/>',
  svgWithProlog: '<?xml version="1.0"?>\n<!-- a drawing -->\n<?xml-stylesheet href="a.css"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
  html: '<!DOCTYPE html><title>Hello</title>',
  xhtml: '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head/></html>',
  gpx: '<?xml version="1.0"?>\n<gpx version="1.1" creator="x"></gpx>',
  bareGpx: '<gpx version="1.1" creator="x"></gpx>',
  kml: '<?xml version="1.0"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"></kml>',
  rss: '<?xml version="1.0"?><rss version="2.0"></rss>',
  atom: '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"></feed>',
  xml: '<?xml version="1.0"?><note>a</note>',
  bareXml: '<note>a</note>',
  collada: '<?xml version="1.0"?><COLLADA version="1.4.1"></COLLADA>',
  plist: '<?xml version="1.0"?><!DOCTYPE plist PUBLIC "x" "y"><plist></plist>',
  pdf: '%PDF-1.7\n1 0 obj\n<<>>\nendobj\n',
  postscript: '%!PS-Adobe-3.0\n%%Pages: 1\n',
  eps: '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n',
  rtf: '{\\rtf1\\ansi hello}',
  calendar: 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n',
  card: 'BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Zoë\r\nEND:VCARD\r\n',
  mail: 'Received: by mx\r\nFrom: a@example.com\r\nSubject: Hello\r\n\r\nHello\r\n',
  vtt: 'WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n',
  srt: '1\n00:00:00,000 --> 00:00:01,000\nHello\n',
  json: '{"a": [1, 2]}',
  geojson: '{"type":"FeatureCollection","features":[]}',
  ndjson: '{"a":1}\n{"a":2}\n',
  yaml: 'a: 1\nb: [2, 3]\n',
  toml: '[a]\nb = 1\n',
  stl: 'solid cube\n  facet normal 0 0 1\n    outer loop\n',
  obj: 'v 0 0 0\nv 1 0 0\nf 1 2 3\n',
  gltf: '{"asset":{"version":"2.0"}}',
  step: 'ISO-10303-21;\nHEADER;\n',
  playlist: '#EXTM3U\n#EXTINF:1,a\na.mp3\n',
  markdown: '<div align="center">\n\n# Title\n\n</div>\n',
  commentedMarkdown: '<!-- badges -->\n# Title\n',
  php: '<!DOCTYPE html>\n<?php echo 1; ?>\n',
  typescript: "import { a } from './a.js';\nexport const b: number = a;\n",
  pem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  script: '#!/bin/sh\necho hello\n',
}; // prettier-ignore
