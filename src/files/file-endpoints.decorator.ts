// Route decorators for bodies and answers that are the bytes of a file. They go above Endpoint, which does not cover them.
import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiResponse } from '@nestjs/swagger';
import { RATE_LIMIT, REQUEST_ID, textHeader } from '../common/decorators/openapi-responses.js';
import { RouteSettings } from '../common/decorators/route-settings.decorator.js';
import { FORM } from '../common/http/hooks/body.hooks.js';
import { FILE_FIELD } from './receive-file.js';

const BYTES = { type: 'string', format: 'binary' } as const;

export function TakesFile(): MethodDecorator {
  return applyDecorators(
    RouteSettings({ versioned: true, streamsBody: FORM }),
    ApiConsumes(FORM),
    ApiBody({
      required: true,
      schema: { type: 'object', required: [FILE_FIELD], properties: { [FILE_FIELD]: BYTES } },
    }),
  );
}

export function AnswersFile(mediaType = 'application/octet-stream'): MethodDecorator {
  const headers = {
    ...REQUEST_ID,
    ...RATE_LIMIT,
    ETag: textHeader('The SHA-256 of the bytes in double quotes'),
    'Content-Disposition': textHeader('The name of the file (RFC 6266)'),
    'Accept-Ranges': textHeader('`bytes`'),
  };
  const part = { ...headers, 'Content-Range': textHeader('Which bytes, of how many (RFC 9110)') };
  return applyDecorators(
    ApiHeader({
      name: 'Range',
      description: 'One part or several, like `bytes=0-99,-5` (RFC 9110, 14.2)',
      required: false,
    }),
    ApiHeader({
      name: 'If-Range',
      description: 'The ETag that the parts belong to; else the whole is answered',
      required: false,
    }),
    ApiResponse({ status: 200, headers, content: { [mediaType]: { schema: BYTES } } }),
    ApiResponse({
      ...{ status: 206, description: 'Partial Content', headers: part },
      content: { [mediaType]: { schema: BYTES }, 'multipart/byteranges': { schema: BYTES } },
    }),
    ApiResponse({
      ...{ status: 302, description: 'Found: the bytes are at S3, with S3_REDIRECT' },
      headers: { ...REQUEST_ID, ...RATE_LIMIT, Location: textHeader('A URL that S3 has signed, for a minute') },
    }),
  );
}
