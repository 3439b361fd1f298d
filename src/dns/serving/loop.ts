import { randomBytes } from 'node:crypto';
import { RCODE, TYPE } from '../wire/constants.ts';
import { nameKey, type NameKey, printKey } from '../wire/name.ts';
import type { Question } from '../outside/question.ts';
import type { Step } from './request.ts';
import { writeRcode, writeRecords } from './write.ts';

/** Asked of upstreams at the beginning: a name that nobody but us knows. Seen by our own server, it went in a circle. */
export interface LoopGuard {
  /** Stands before `forward`: notices the probe, and answers for it as long as questions go in circles. */
  readonly step: Step;
  readonly isLooping: boolean;
  /** Asks, and asks again from time to time, until the signal aborts. */
  watch(signal: AbortSignal): Promise<void>;
}

export interface LoopGuardOptions {
  readonly ask: (question: Question) => Promise<unknown>;
  readonly onChange: (isLooping: boolean) => void;
  /** Between probes; 60,000 unless told, and a tenth of it while there is a loop. */
  readonly everyMs?: number;
}

const REASON = [23, 'podnet: the upstream resolver asks us again'] as const;

export function createLoopGuard({ ask, onChange, everyMs = 60_000 }: LoopGuardOptions): LoopGuard {
  let probe: NameKey = '';
  let seen = false;
  let isLooping = false;

  async function once(): Promise<void> {
    probe = nameKey(`${randomBytes(16).toString('hex')}.${randomBytes(8).toString('hex')}.loop`);
    seen = false;
    try {
      await ask({ key: probe, type: TYPE.HINFO, dnssecOk: false, checkingDisabled: false });
    } catch {
      // An upstream that does not answer is no loop, and is told of by whoever needs it.
    }
    if (seen === isLooping) return;
    isLooping = seen;
    onChange(isLooping);
  }

  return {
    get isLooping() {
      return isLooping;
    },
    step(request, room) {
      const { key } = request.query;
      if (key === probe) {
        seen = true;
        return writeRecords(
          request,
          { answers: [{ name: printKey(key), ttlSeconds: 0, data: NOTHING }] },
          room,
        );
      }
      return isLooping ? writeRcode(request, RCODE.SERVFAIL, room, REASON) : undefined;
    },
    async watch(signal) {
      while (!signal.aborted) {
        await once();
        await pause(isLooping ? everyMs / 10 : everyMs, signal);
      }
    },
  };
}

const NOTHING = { type: 'other', number: TYPE.HINFO, bytes: Buffer.from('\0\0', 'latin1') } as const;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms).unref();
  signal.addEventListener(
    'abort',
    () => {
      clearTimeout(timer);
      resolve();
    },
    { once: true },
  );
  return promise;
}
