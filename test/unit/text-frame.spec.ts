// Frames that are made once for all receivers: a WebSocket parser reads them as they were meant.
import type { Writable } from 'node:stream';
import { expect, it } from '@jest/globals';
import * as ws from 'ws';
import { payloadOf, textFrame } from '../../src/realtime/text-frame.js';

/** Absent from the types. */
const { Receiver } = ws as unknown as { Receiver: new () => Writable };

it.each([0, 1, 125, 126, 127, 65_535, 65_536, 200_000])('a frame of %i bytes is one text message', (length) => {
  const payload = Buffer.alloc(length, 'x');
  const frame = textFrame(payload);
  const messages: Array<[Buffer, boolean]> = [];
  const receiver = new Receiver();
  receiver.on('message', (data: Buffer, isBinary: boolean) => messages.push([data, isBinary]));
  receiver.write(Buffer.concat([frame, frame]));
  expect(messages).toEqual([
    [payload, false],
    [payload, false],
  ]);
  expect(payloadOf(frame)).toEqual(payload);
});
