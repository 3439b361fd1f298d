import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { peerCredentials } from '../../kernel/ffi-sockets.ts';
import { PodnetError } from '../../model/errors.ts';
import {
  clusterNames,
  controlAddress,
  lineSplitter,
  type ControlMethod,
  type ControlMethods,
  type ControlResponse,
} from './protocol.ts';
import { socketFd } from '../../kernel/socket-fd.ts';

/** A connection to a running lab. */
export interface ControlClient {
  /** The lab's process as this process sees it: the way to its files is `/proc/PID/root`. */
  readonly pid: number;
  call<M extends ControlMethod>(
    method: M,
    params: ControlMethods[M]['params'],
  ): Promise<ControlMethods[M]['result']>;
  /** Resolves when the lab is gone or the connection was closed. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Every answer comes within a moment but that to a lab's first question, which waits for its API server. */
const answerTimeoutMs = 30_000;
const notAnswering = new PodnetError('The lab does not answer', {
  code: 'lab-stuck',
  fix: 'End it by its process id: pgrep -f lab/main',
});

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

function createClient(socket: Socket, pid: number): ControlClient {
  const pending = new Map<number, Pending>();
  let lastId = 0;
  const failAll = (): void => {
    const gone = new PodnetError('The lab ended before it answered', {
      code: 'lab-gone',
      fix: 'Start it again with: ./podnet up',
    });
    for (const { reject } of pending.values()) reject(gone);
    pending.clear();
  };
  const receive = (line: string): void => {
    const { id, result, error } = JSON.parse(line) as ControlResponse;
    const waiting = pending.get(id);
    pending.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new PodnetError(error.message, error));
  };
  socket.setEncoding('utf8');
  socket.on(
    'data',
    lineSplitter(receive, () => socket.destroy()),
  );
  socket.on('error', () => socket.destroy());
  const closed = new Promise<void>((done) => {
    socket.on('close', () => {
      failAll();
      done();
    });
  });
  return {
    pid,
    closed,
    call: (method, params) =>
      new Promise<never>((resolve, reject) => {
        setTimeout(() => reject(notAnswering), answerTimeoutMs).unref();
        lastId += 1;
        pending.set(lastId, { resolve: resolve as (value: unknown) => void, reject });
        if (socket.destroyed) failAll();
        else socket.write(`${JSON.stringify({ id: lastId, method, params })}\n`);
      }),
    close: () => socket.destroy(),
  };
}

/** This user's running clusters, by name. */
export function runningClusters(): string[] {
  return clusterNames(readFileSync('/proc/net/unix', 'utf8'), process.getuid?.() ?? 0);
}

/** Connects to a running cluster, or resolves with undefined when there is none of this name. */
export async function connectControl(name: string): Promise<ControlClient | undefined> {
  const uid = process.getuid?.() ?? 0;
  const socket = connect(controlAddress(uid, name));
  const connected = await new Promise<boolean>((done) => {
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
  const fd = socketFd(socket);
  if (!connected || fd === undefined) return undefined;
  const peer = peerCredentials(fd);
  if (peer.uid !== uid) {
    socket.destroy();
    throw new PodnetError(`The control socket of "${name}" belongs to user ${peer.uid}, not to you`, {
      code: 'foreign-socket',
      where: `abstract unix socket ${controlAddress(uid, name).slice(1)}`,
      fix: `Choose another name: ./podnet up --name NAME`,
    });
  }
  return createClient(socket, peer.pid);
}

/** Runs `use` with a connection to a running cluster and closes it afterwards. */
export async function withControl<T>(name: string, use: (control: ControlClient) => Promise<T>): Promise<T> {
  const control = await requireControl(name);
  try {
    return await use(control);
  } finally {
    control.close();
  }
}

/** Connects to a running cluster; tells which ones run when there is none of this name. */
async function requireControl(name: string): Promise<ControlClient> {
  const client = await connectControl(name);
  if (client !== undefined) return client;
  const others = runningClusters();
  throw new PodnetError(`No cluster named "${name}" is running`, {
    code: 'not-running',
    fix:
      others.length > 0
        ? `Running now: ${others.join(', ')}. Choose one with --name.`
        : 'Start one with: ./podnet up',
  });
}
