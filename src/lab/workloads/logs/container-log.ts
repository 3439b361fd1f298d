import { appendFileSync, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import type { OutputSink } from '../workload.ts';
import { formatLogLine, formatLogTime, MAX_LINE_BYTES, type LogLine } from './log-line.ts';

export interface ContainerLogOptions {
  /** The current file; the one before it is `<path>.1`. */
  readonly path: string;
  /** Of one file: at most twice as much is kept. */
  readonly maxBytes?: number;
  readonly now?: () => number;
}

/** The output of one run of a container: a ring of two files, of which the first kilobytes stay in memory. */
export interface ContainerLog extends OutputSink {
  /** What is kept, as it would stand in the file. */
  read(): string;
  /** Lines from now on; `undefined` when the run has ended. The result stops it. */
  onLine(listener: (line: string | undefined) => void): () => void;
  /** The run is over. What was written stays readable. */
  end(): void;
  readonly ended: boolean;
  remove(): void;
}

/** Most stand-ins never say more than this: no file is made for them. */
const IN_MEMORY_BYTES = 2048;

export function createContainerLog({
  path,
  maxBytes = 4 * 1024 * 1024,
  now = Date.now,
}: ContainerLogOptions): ContainerLog {
  let memory = '';
  let fileBytes = 0;
  let hasFile = false;
  let ended = false;
  let sequence = 0;
  let listeners: Set<(line: string | undefined) => void> | undefined;
  let partial: { [stream in 'stdout' | 'stderr']?: { decoder: StringDecoder; rest: string } } = {};

  function append(lines: string): void {
    if (!hasFile && memory.length + lines.length <= IN_MEMORY_BYTES) {
      memory += lines;
      return;
    }
    const bytes = memory + lines;
    memory = '';
    if (fileBytes + bytes.length > maxBytes && hasFile) {
      renameSync(path, `${path}.1`);
      fileBytes = 0;
    }
    appendFileSync(path, bytes, { mode: 0o600 });
    hasFile = true;
    fileBytes += Buffer.byteLength(bytes);
  }

  function emit(stream: LogLine['stream'], text: string, isPartial: boolean): string {
    const line = formatLogLine({ time: formatLogTime(now(), sequence++), stream, partial: isPartial, text });
    for (const listener of listeners ?? []) listener(line);
    return line;
  }

  function write(stream: LogLine['stream'], data: Buffer | string): void {
    if (ended) return;
    const state = (partial[stream] ??= { decoder: new StringDecoder('utf8'), rest: '' });
    const lines = (state.rest + (typeof data === 'string' ? data : state.decoder.write(data))).split('\n');
    state.rest = lines.pop() ?? '';
    let out = '';
    for (const line of lines) {
      let text = line;
      for (; text.length > MAX_LINE_BYTES; text = text.slice(MAX_LINE_BYTES))
        out += emit(stream, text.slice(0, MAX_LINE_BYTES), true);
      out += emit(stream, text, false);
    }
    for (; state.rest.length > MAX_LINE_BYTES; state.rest = state.rest.slice(MAX_LINE_BYTES))
      out += emit(stream, state.rest.slice(0, MAX_LINE_BYTES), true);
    if (out !== '') append(out);
  }

  return {
    write,
    read() {
      if (!hasFile) return memory;
      const older = existsSync(`${path}.1`) ? readFileSync(`${path}.1`, 'utf8') : '';
      return older + readFileSync(path, 'utf8');
    },
    onLine(listener) {
      if (ended) {
        listener(undefined);
        return () => {};
      }
      const all = (listeners ??= new Set());
      all.add(listener);
      return () => all.delete(listener);
    },
    end() {
      if (ended) return;
      for (const stream of ['stdout', 'stderr'] as const) {
        const rest = partial[stream]?.rest ?? '';
        if (rest !== '') append(emit(stream, rest, false));
      }
      partial = {};
      ended = true;
      for (const listener of listeners ?? []) listener(undefined);
      listeners = undefined;
    },
    get ended() {
      return ended;
    },
    remove() {
      for (const file of [path, `${path}.1`]) rmSync(file, { force: true });
      memory = '';
      hasFile = false;
    },
  };
}
