/** Answers the forwarders of one node over a unix socket, many at a time. */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { peerCredentials } from '../../kernel/ffi-sockets.ts';
import { socketFd } from '../../kernel/socket-fd.ts';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import { keepDoors } from '../attachment/shared-doors.ts';
import type { FindPlugin } from '../spec/delegate.ts';
import { CniError, cniErrorCodes, errorObject } from '../spec/error.ts';
import { latestCniVersion } from '../spec/versions.ts';
import { type ForwardedRequest, decodeRequest, encodeAnswer, requestLength } from './protocol.ts';
import { replaySpool } from './spool.ts';

export const DEFAULT_CNI_SOCKET = '/run/podnet/cni.sock';
export const DEFAULT_CNI_SPOOL = '/var/lib/podnet/cni/spool';

export interface CniServerOptions {
  /** `DEFAULT_CNI_SOCKET` unless told. */
  readonly socketPath?: string;
  /** Where forwarders leave DELs while nobody answers; done before the socket opens. None are unless told. */
  readonly spoolDirectory?: string;
  /** `pluginNamed` of the registry, or one that knows the agent's own `podnet`. */
  readonly findPlugin: FindPlugin;
  readonly log?: (line: string) => void;
}

export interface CniServer {
  readonly socketPath: string;
  /** Takes no more requests; resolves when those begun are answered. */
  close(): Promise<void>;
}

/** A forwarder sends its request at once: one that does not is not ours. */
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 1024;

/**
 * Replays the spool, then listens. The socket has mode 0600, and only root and the server's own user are answered.
 *
 * @throws PodnetError `cni-socket-taken` when another agent answers there, `cni-socket-unusable`, `spool-unusable`
 */
export async function startCniServer(options: CniServerOptions): Promise<CniServer> {
  const { socketPath = DEFAULT_CNI_SOCKET, spoolDirectory, findPlugin, log } = options;
  if (await isAnswered(socketPath))
    throw new PodnetError('Another agent answers container runtimes on this node', {
      code: 'cni-socket-taken',
      where: socketPath,
      fix: 'Stop the other one, or give this one another socket.',
    });
  if (spoolDirectory !== undefined) {
    const { done } = await replaySpool({ directory: spoolDirectory, findPlugin, log });
    if (done > 0) log?.(`did ${done} DELs that came while there was no agent`);
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (!isAllowed(socket)) socket.destroy();
    else serve(socket, options);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenPrivately(server, socketPath);
  const doors = keepDoors();
  return {
    socketPath,
    close: () =>
      new Promise((done) => {
        rmSync(socketPath, { force: true });
        server.close(() => {
          doors.close();
          done();
        });
      }),
  };
}

/** Whether somebody listens on the socket. */
async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    return await new Promise<boolean>((done) => {
      socket.once('connect', () => done(true));
      socket.once('error', () => done(false));
    });
  } finally {
    socket.destroy();
  }
}

/**
 * Binds inside a directory that only this user can enter, sets the mode, and moves the socket to its place: at no time
 * can others connect, and a socket that a dead agent left behind is replaced. (umask would do, but not in a thread.)
 */
async function listenPrivately(server: Server, path: string): Promise<void> {
  let staging: string | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    staging = mkdtempSync(join(dirname(path), '.cni-'));
    const bound = join(staging, 's');
    await new Promise<void>((done, fail) => {
      server.once('error', fail);
      server.listen({ path: bound, backlog: 511 }, done);
    });
    chmodSync(bound, 0o600);
    renameSync(bound, path);
  } catch (cause) {
    server.close();
    throw new PodnetError('Cannot listen for container runtimes', {
      code: 'cni-socket-unusable',
      where: path,
      fix: 'Its directory must be writable, and the path shorter than 90 bytes.',
      cause,
    });
  } finally {
    if (staging !== undefined) rmSync(staging, { recursive: true, force: true });
  }
}

function isAllowed(socket: Socket): boolean {
  const fd = socketFd(socket);
  if (fd === undefined) return false;
  const { uid } = peerCredentials(fd);
  return uid === 0 || uid === process.geteuid?.();
}

function serve(socket: Socket, options: CniServerOptions): void {
  const chunks: Buffer[] = [];
  let received = 0;
  let expected: number | undefined;
  socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  // It went away before its request was whole.
  socket.on('end', () => {
    if (expected === undefined || received < expected) socket.destroy();
  });
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    received += chunk.length;
    try {
      expected ??= requestLength(received === chunk.length ? chunk : Buffer.concat(chunks));
      if (expected === undefined || received < expected) return;
      socket.setTimeout(0);
      socket.pause();
      void reply(socket, decodeRequest(Buffer.concat(chunks)), options);
    } catch (error) {
      options.log?.(`refused a request: ${errorMessage(error)}`);
      socket.destroy();
    }
  });
}

async function reply(
  socket: Socket,
  request: ForwardedRequest,
  { findPlugin, log }: CniServerOptions,
): Promise<void> {
  const { exitCode, stdout, stderr } = await answerRequest(request, findPlugin);
  if (stderr || exitCode !== 0)
    log?.(`${request.type} ${request.environment['CNI_COMMAND']}: ${stderr || stdout.trim()}`);
  socket.end(encodeAnswer({ exitCode, stdout }));
}

async function answerRequest(
  { type, environment, stdin }: ForwardedRequest,
  findPlugin: FindPlugin,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  try {
    const plugin = await findPlugin(type);
    if (plugin) return await plugin.answer({ environment, stdin, findPlugin, longLived: true });
    return refusal(new CniError(`podnet has no plugin ${type}`, { code: cniErrorCodes.invalidConfig }));
  } catch (error) {
    return refusal(new CniError(errorMessage(error), { code: cniErrorCodes.io }));
  }
}

function refusal(error: CniError): { exitCode: number; stdout: string; stderr: string } {
  return { exitCode: 1, stdout: `${JSON.stringify(errorObject(error, latestCniVersion))}\n`, stderr: '' };
}
