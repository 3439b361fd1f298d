import type { Socket } from 'node:net';

/** The descriptor behind a socket. Node has it on its internal handle only. */
export function socketFd(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
