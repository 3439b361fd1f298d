import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  controlFrame,
  type ControlFrame,
  dataHeader,
  type DataPart,
  FRAME,
  FrameReader,
  RESET,
} from './frames.ts';
import { HeaderBlockWriter } from './header-block.ts';

/** The client's end of a connection: writes frames, keeps those it gets. */
export class TestClient {
  readonly socket: Duplex;
  readonly frames: (ControlFrame | DataPart)[] = [];
  ended = false;
  readonly #headers = new HeaderBlockWriter();
  readonly #reader = new FrameReader();

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.frames.push(...this.#reader.read(chunk)));
    socket.on('error', () => {});
    socket.on('end', () => {
      this.ended = true;
    });
  }

  open(id: number, headers: Readonly<Record<string, string>> = {}): void {
    const priority = Buffer.alloc(2);
    const tail = Buffer.concat([priority, this.#headers.write(new Map(Object.entries(headers)))]);
    this.socket.write(controlFrame(FRAME.synStream, [id, 0], { tail }));
  }

  send(id: number, data: string | Buffer, fin = false): void {
    const bytes = Buffer.from(data);
    this.socket.write(Buffer.concat([dataHeader(id, bytes.length, fin), bytes]));
  }

  reset(id: number): void {
    this.socket.write(controlFrame(FRAME.rstStream, [id, RESET.cancel]));
  }

  control(type: number): ControlFrame[] {
    return this.frames.filter(
      (frame): frame is ControlFrame => frame.kind === 'control' && frame.type === type,
    );
  }

  received(id: number): Buffer {
    const parts = this.frames.filter(
      (frame): frame is DataPart => frame.kind === 'data' && frame.streamId === id,
    );
    return Buffer.concat(parts.map(({ data }) => data));
  }

  /** Waits for a condition; a second is plenty in one process. */
  async until(condition: () => boolean, what: string): Promise<void> {
    for (const end = Date.now() + 2000; !condition();) {
      assert.ok(Date.now() < end, what);
      await delay(2);
    }
  }
}
