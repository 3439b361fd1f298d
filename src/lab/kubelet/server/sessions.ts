import type { Duplex, Readable, Writable } from 'node:stream';
import type { Status } from '../../../model/objects.ts';
import { CHANNEL, channelHeader, ChannelReader } from '../../apiserver/streams/channels.ts';
import type { Execution } from '../../workloads/workload.ts';
import type { ContainerInstance } from '../container-instance.ts';
import type { PodWorker } from '../pod-worker.ts';
import { exitStatus, isTrue, RequestError } from './answers.ts';

/** A connection that asked for an upgrade. */
export interface Upgrade {
  readonly socket: Duplex;
  /** What came with the request. */
  readonly head: Buffer;
  /** Sends the 101. Until then errors are HTTP answers. */
  accept(): void;
}

/** After a client has gone its program gets this long to end by itself. */
const HANGUP_MS = 1000;

/** `?command=…&command=…&stdin=1&stdout=1&stderr=1&tty=1` */
export async function serveExec(
  worker: PodWorker,
  instance: ContainerInstance,
  query: URLSearchParams,
  upgrade: Upgrade,
): Promise<void> {
  const { workload } = instance;
  if (!workload)
    throw new RequestError(
      400,
      'BadRequest',
      `container ${JSON.stringify(instance.record.name)} is not running`,
    );
  await worker.prepareFiles();
  const execution = workload.exec({
    command: query.getAll('command'),
    stdin: isTrue(query.get('stdin')),
    tty: isTrue(query.get('tty')),
  });
  upgrade.accept();
  const { socket } = upgrade;
  const output = [sendAll(socket, CHANNEL.stdout, execution.stdout)];
  if (execution.stderr) output.push(sendAll(socket, CHANNEL.stderr, execution.stderr));
  receive(upgrade, {
    stdin: execution.stdin,
    closesStdin: true,
    resize: (columns, rows) => execution.resize(columns, rows),
  });
  let ended = false;
  socket.once('close', () => {
    if (!ended) hangUp(execution);
  });
  const { exitCode } = await execution.exited;
  ended = true;
  finish(socket, exitStatus(exitCode));
}

function hangUp(execution: Execution): void {
  execution.stdin?.end();
  execution.kill('SIGHUP');
  const timer = setTimeout(() => execution.kill('SIGKILL'), HANGUP_MS);
  for (const stream of [execution.stdout, execution.stderr]) stream?.resume();
  void execution.exited.then(() => clearTimeout(timer));
}

/** `?stdin=1&stdout=1&stderr=1&tty=1`: the streams of the container's own program. */
export async function serveAttach(
  instance: ContainerInstance,
  query: URLSearchParams,
  upgrade: Upgrade,
): Promise<void> {
  const { workload, record, log } = instance;
  if (!workload)
    throw new RequestError(400, 'BadRequest', `container ${JSON.stringify(record.name)} is not running`);
  const { socket } = upgrade;
  const attachment = workload.attach();
  upgrade.accept();
  let stop = (): void => {};
  if (attachment) {
    stop = attachment.onOutput((stream, data) => send(socket, CHANNEL[stream], data));
    receive(upgrade, {
      stdin: isTrue(query.get('stdin')) ? attachment.stdin : undefined,
      closesStdin: record.spec.stdinOnce === true,
      resize: (columns, rows) => attachment.resize(columns, rows),
    });
    if (record.spec.stdinOnce === true) socket.once('close', () => attachment.stdin?.end());
  } else {
    // A stand-in has no streams; what it logs is what it would print.
    stop =
      log?.onLine(
        (line) =>
          line !== undefined && send(socket, CHANNEL.stdout, Buffer.from(line.replace(/^\S+ \S+ . /, ''))),
      ) ?? stop;
    receive(upgrade, { stdin: undefined, closesStdin: false, resize: () => {} });
  }
  const gone = new Promise<undefined>((resolve) => socket.once('close', () => resolve(undefined)));
  const status = await Promise.race([workload.exited, gone]);
  stop();
  // However the container ended, the attachment did well: the exit code is in the pod's status.
  if (status) finish(socket, exitStatus(0));
}

function send(socket: Duplex, channel: number, payload: Buffer): boolean {
  if (socket.destroyed || !socket.writable) return true;
  socket.write(channelHeader(channel, payload.length));
  return socket.write(payload);
}

/** Sends everything read from `from`; resolves at its end. */
export function sendAll(socket: Duplex, channel: number, from: Readable): Promise<void> {
  from.on('data', (chunk: Buffer) => {
    if (send(socket, channel, chunk)) return;
    from.pause();
    socket.once('drain', () => from.resume());
  });
  return new Promise((resolve) => from.once('end', resolve).once('close', resolve));
}

export interface Receiver {
  readonly stdin: Writable | undefined;
  /** Whether the end of the client's input is the end of the program's. */
  readonly closesStdin: boolean;
  readonly resize: (columns: number, rows: number) => void;
}

/** Passes on what the client sends; a peer that breaks the framing is cut off. */
export function receive(
  { socket, head }: Pick<Upgrade, 'socket' | 'head'>,
  { stdin, closesStdin, resize }: Receiver,
): void {
  const reader = new ChannelReader();
  const take = (chunk: Buffer): void => {
    try {
      for (const { channel, payload } of reader.read(chunk)) {
        if (channel === CHANNEL.stdin && stdin && !stdin.destroyed && !stdin.write(payload)) {
          socket.pause();
          stdin.once('drain', () => socket.resume());
        }
        if (channel === CHANNEL.close && payload[0] === CHANNEL.stdin && closesStdin) stdin?.end();
        if (channel === CHANNEL.resize) {
          const size = JSON.parse(payload.toString()) as { Width?: number; Height?: number } | null;
          resize(size?.Width ?? 0, size?.Height ?? 0);
        }
      }
    } catch {
      socket.destroy();
    }
  };
  stdin?.once('close', () => socket.resume());
  socket.on('data', take);
  // The API server never half-closes: its end means that the client has gone.
  socket.once('end', () => socket.destroy());
  if (head.length > 0) take(head);
}

export function finish(socket: Duplex, status: Status): void {
  send(socket, CHANNEL.status, Buffer.from(JSON.stringify(status)));
  socket.end();
}
