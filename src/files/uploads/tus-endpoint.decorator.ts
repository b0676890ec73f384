// OpenAPI decorator of tus routes: their request and response headers. It goes above Endpoint.
import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiResponse } from '@nestjs/swagger';
import { LOCATION, RATE_LIMIT, REQUEST_ID } from '../../common/decorators/openapi-responses.js';
import { RouteSettings } from '../../common/decorators/route-settings.decorator.js';
import { UPLOAD_PART } from '../../common/http/hooks/body.hooks.js';

const TAKEN = {
  'Upload-Length': 'Bytes of the whole upload',
  'Upload-Metadata':
    'Keys and base64 values, as in `filename d29ybGQucGRm,filetype YXBwbGljYXRpb24vcGRm`. `bucket` names the bucket; other keys are stored and returned, no more',
  'Upload-Offset': 'Where the bytes of this request begin: all before it are here',
  'X-HTTP-Method-Override': '`PATCH`, `HEAD` or `DELETE`',
};

const ANSWERED = {
  'Upload-Offset': 'So many bytes are here',
  'Upload-Length': 'Bytes of the whole upload',
  'Upload-Metadata': 'As it was sent',
  'Upload-Expires': 'Until when it may be completed (an HTTP date)',
  'X-File-Id': 'Of the file that it has become, once it is complete',
  'Content-Location': 'Where that file is',
  'Tus-Version': 'Versions of the protocol',
  'Tus-Extension': 'Extensions of the protocol',
  'Tus-Max-Size': 'Bytes that an upload may have',
};

interface TusOptions {
  takes?: Array<keyof typeof TAKEN>;
  /** The body may be, or must be, a part of the upload. */
  body?: 'optional' | 'required';
  status: number;
  answers: Array<keyof typeof ANSWERED | 'Location'>;
  /** The route also accepts HEAD by override, and then answers 200 with these headers. */
  answersAsHead?: Array<keyof typeof ANSWERED>;
  /** A discovery request does not name a protocol version yet. */
  isDiscovery?: boolean;
}

export function TusEndpoint({
  takes = [],
  body,
  status,
  answers,
  answersAsHead,
  isDiscovery,
}: TusOptions): MethodDecorator {
  const version = { name: 'Tus-Resumable', required: true, schema: { type: 'string', enum: ['1.0.0'] } };
  return applyDecorators(
    ...(isDiscovery ? [] : [ApiHeader(version)]),
    ...takes.map((name) => ApiHeader({ name, description: TAKEN[name], required: false })),
    ...(body ? [RouteSettings({ streamsBody: UPLOAD_PART }), ApiConsumes(UPLOAD_PART)] : []),
    ...(body ? [ApiBody({ required: body === 'required', schema: { type: 'string', format: 'binary' } })] : []),
    ApiResponse({ status, headers: headersOf(answers) }),
    ...(answersAsHead ? [ApiResponse({ status: 200, description: 'OK', headers: headersOf(answersAsHead) })] : []),
  );
}

function headersOf(names: TusOptions['answers']) {
  const own = names.flatMap((name) =>
    name === 'Location' ? [] : [[name, { description: ANSWERED[name], schema: { type: 'string' as const } }] as const],
  );
  return { ...REQUEST_ID, ...RATE_LIMIT, ...(names.includes('Location') && LOCATION), ...Object.fromEntries(own) };
}
