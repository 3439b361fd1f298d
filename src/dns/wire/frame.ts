import type { Socket } from 'node:net';

/** A message as TCP carries it: two bytes of length ahead (RFC 1035 section 4.2.2). */
export function writeFrame(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  message.copy(frame, 2);
  return frame;
}

/**
 * Calls `onMessage` for each whole message the socket receives; the buffer is valid during the call only. A message
 * longer than `maxBytes` ends the connection.
 */
export function readFrames(
  socket: Socket,
  onMessage: (message: Buffer) => void,
  maxBytes: number = 65_535,
): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && !socket.destroyed) {
      const length = pending.readUInt16BE(0);
      if (length > maxBytes) {
        socket.destroy();
        return;
      }
      if (pending.length < 2 + length) return;
      const message = pending.subarray(2, 2 + length);
      pending = pending.subarray(2 + length);
      onMessage(message);
    }
  });
}
