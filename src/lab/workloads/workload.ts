import type { Readable, Writable } from 'node:stream';

/** How a container ended, in the words of `ContainerStateTerminated`. */
export interface ExitStatus {
  readonly exitCode: number;
  /** The signal's number, 0 for none. */
  readonly signal: number;
  readonly reason: 'Completed' | 'Error' | 'StartError';
  readonly message?: string;
}

export interface ExecRequest {
  readonly command: readonly string[];
  /** Whether anything will be written to the program's standard input. */
  readonly stdin: boolean;
  /** On a terminal: one stream, which the program sees as its /dev/tty. */
  readonly tty: boolean;
}

/** A program started in a container. All streams are in the caller's hands; destroy them when done. */
export interface Execution {
  /** Absent when none was asked for. Ending it closes the program's standard input. */
  readonly stdin: Writable | undefined;
  /** With a terminal everything arrives here. */
  readonly stdout: Readable;
  readonly stderr: Readable | undefined;
  /** Resolves when the program has ended and its streams are read out. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  resize(columns: number, rows: number): void;
  /** To the program, and to the process group it leads unless it is the container's first process. */
  kill(signal: NodeJS.Signals): void;
}

/** Where a workload's output goes. */
export interface OutputSink {
  write(stream: 'stdout' | 'stderr', data: Buffer | string): void;
}

/** A container at work: a stand-in, or a program. */
export interface Workload {
  readonly kind: 'stand-in' | 'isolated';
  /** Resolves once, when the container has ended. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** SIGTERM asks, SIGKILL does it. */
  kill(signal: NodeJS.Signals): void;
  /** Throws `PodnetError` when the program cannot be started. */
  exec(request: ExecRequest): Execution;
  /** The main program's own streams; undefined where there are none (a stand-in). */
  attach(): Attachment | undefined;
}

/** A look at a running program's streams. Several may look at once. */
export interface Attachment {
  readonly tty: boolean;
  /** Absent when the container was made without `stdin: true`. */
  readonly stdin: Writable | undefined;
  /** Output from now on; the result stops it. */
  onOutput(listener: (stream: 'stdout' | 'stderr', data: Buffer) => void): () => void;
  resize(columns: number, rows: number): void;
}
