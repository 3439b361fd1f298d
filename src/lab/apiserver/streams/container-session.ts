import type { Readable, Writable } from 'node:stream';
import type { Status } from '../../../model/objects.ts';
import { internalError } from '../status.ts';
import { CHANNEL } from './channels.ts';
import { type KubeletLink, parseStatus } from './kubelet-link.ts';

/** The client's side of an exec or attach, whatever protocol carries it. Absent streams were not asked for. */
export interface ClientStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** JSON texts `{"Width":80,"Height":24}`, possibly several in one chunk or one in several. */
  readonly resize: Readable | undefined;
  /** Sends the outcome after all output, and closes the connection. */
  finish(status: Status): void;
  /** Runs once, when the client is gone. */
  onGone(run: () => void): void;
}

/** Joins a client to a container until the command ends or either side goes away. */
export function runContainerSession(client: ClientStreams, link: KubeletLink): void {
  let over = false;
  let outcome: Status | undefined;
  const outputs = new Map<number, Writable | undefined>([
    [CHANNEL.stdout, client.stdout],
    [CHANNEL.stderr, client.stderr],
  ]);
  const finish = (status: Status): void => {
    if (over) return;
    over = true;
    link.destroy();
    client.finish(status);
  };
  client.onGone(() => {
    over = true;
    link.destroy();
  });
  for (const output of outputs.values()) output?.on('drain', () => link.resume());
  if (client.stdin) pipeInput(client.stdin, link.channelWriter(CHANNEL.stdin));
  if (client.resize) pipeResizes(client.resize, link);
  link.start({
    onChannel: (channel, payload) => {
      if (channel === CHANNEL.status) {
        outcome =
          parseStatus(payload.toString('utf8')) ??
          internalError('the kubelet sent no readable status').status;
        finish(outcome);
        return true;
      }
      const output = outputs.get(channel);
      return output === undefined || output.destroyed || output.write(payload);
    },
    onClose: () => finish(internalError('the connection to the kubelet was lost').status),
  });
}

/** Like pipe, but an abrupt end of the input only stops it: the end of the connection is told elsewhere. */
function pipeInput(from: Readable, to: Writable): void {
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('close', () => to.end());
  from.on('end', () => to.end());
  to.on('error', () => from.resume());
}

const MAX_RESIZE_BYTES = 1024;
const MAX_TERMINAL = 65_535;

function pipeResizes(from: Readable, link: KubeletLink): void {
  let pending = '';
  from.on('data', (chunk: Buffer) => {
    pending = (pending + chunk.toString('utf8')).slice(-MAX_RESIZE_BYTES);
    const texts = pending.match(/\{[^{}]*\}/g) ?? [];
    pending = pending.slice(pending.lastIndexOf('}') + 1);
    for (const text of texts) {
      const size = parseSize(text);
      if (size) link.send(CHANNEL.resize, Buffer.from(JSON.stringify(size)));
    }
  });
}

function parseSize(text: string): { Width: number; Height: number } | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as Record<string, unknown>;
    if (isTerminalSize(Width) && isTerminalSize(Height)) return { Width, Height };
  } catch {
    // A terminal size nobody can read changes nothing.
  }
  return undefined;
}

function isTerminalSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TERMINAL;
}
