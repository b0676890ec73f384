// The WebSocket frame of a text message (RFC 6455, 5.2), made once for all receivers.

const FINAL_TEXT = 0x81;

/** A frame of a server: not masked, not compressed. */
export function textFrame(payload: Buffer): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = FINAL_TEXT;
  if (length < 126) header[1] = length;
  else if (length < 65_536) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeUInt32BE(length, 6); // of eight bytes the last four
  }
  return Buffer.concat([header, payload]);
}

/** Returns the payload of such a frame, in the same memory. */
export function payloadOf(frame: Buffer): Buffer {
  const length = frame[1] as number;
  return frame.subarray(length < 126 ? 2 : length === 126 ? 4 : 10);
}
