import { randomInt } from 'node:crypto';
import { RCODE, TYPE } from '../wire/constants.ts';
import { nameKey } from '../wire/name.ts';
import type { Question } from './question.ts';
import { printUpstream, Upstream, type UpstreamAddress, type UpstreamOptions } from './upstream.ts';

/** As CoreDNS' plugin forward has them. */
export interface ForwardOptions extends UpstreamOptions {
  readonly upstreams: readonly UpstreamAddress[];
  /** Which upstream is asked first; `random` unless told. */
  readonly policy?: ForwardPolicy;
  /** Questions and probes without an answer, in a row, after which an upstream is left out; 2 unless told, 0 for never. */
  readonly maxFails?: number;
  /** Between probes of an upstream that failed; 500 unless told. */
  readonly healthCheckMs?: number;
  /** What a probe asks for; the root's name servers unless told. */
  readonly healthCheckName?: string;
  /** Questions that may be open at the same time; more fail at once. 1000 unless told. */
  readonly maxConcurrent?: number;
  /** For one attempt at one upstream; 2000 unless told. */
  readonly timeoutMs?: number;
}

export type ForwardPolicy = 'random' | 'round_robin' | 'sequential';

export interface Forward {
  /**
   * The whole answer of the first upstream that gives one: NOERROR or NXDOMAIN, any other rcode only when no upstream
   * does better. Rejects when none answers, or too many questions are open.
   */
  ask(question: Question): Promise<Buffer>;
  readonly health: readonly UpstreamHealth[];
  /** Ends connections and probes. */
  close(): void;
}

export interface UpstreamHealth {
  /** `192.0.2.53:53` */
  readonly upstream: string;
  /** False when it is left out as long as another answers. */
  readonly healthy: boolean;
  readonly failures: number;
}

/** As long as any stub resolver waits. */
const DEADLINE_MS = 5000;

/** Asks a group of upstreams, one after another. */
export function createForward({
  upstreams,
  policy = 'random',
  maxFails = 2,
  healthCheckMs = 500,
  healthCheckName = '.',
  maxConcurrent = 1000,
  timeoutMs = 2000,
  ...options
}: ForwardOptions): Forward {
  const probe: Question = {
    key: nameKey(healthCheckName),
    type: TYPE.NS,
    dnssecOk: false,
    checkingDisabled: false,
  };
  const members = upstreams.map(
    (at) => new Member(new Upstream(at, options), { maxFails, healthCheckMs, timeoutMs, probe }),
  );
  let open = 0;
  let turn = 0;

  /** The healthy ones in the policy's order, then the others: all may seem down when only probes are not answered. */
  function order(): readonly Member[] {
    const healthy = members.filter((member) => member.healthy);
    const rest = members.filter((member) => !member.healthy);
    return [...arrange(healthy), ...shuffle(rest)];
  }

  function arrange(healthy: readonly Member[]): readonly Member[] {
    if (policy === 'sequential') return healthy;
    if (policy === 'random') return shuffle(healthy);
    turn = (turn + 1) % Math.max(1, healthy.length);
    return [...healthy.slice(turn), ...healthy.slice(0, turn)];
  }

  async function askInTurn(question: Question): Promise<Buffer> {
    const deadline = performance.now() + DEADLINE_MS;
    let unhappy: Buffer | undefined;
    let lastError: unknown = new Error('No upstream resolver is configured');
    for (const member of order()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) break;
      try {
        const answer = await member.upstream.ask(question, Math.min(timeoutMs, leftMs));
        const rcode = answer.readUInt16BE(2) & 0xf;
        if (rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN) return answer;
        unhappy ??= answer;
      } catch (error) {
        lastError = error;
        member.suspect();
      }
    }
    if (unhappy !== undefined) return unhappy;
    throw lastError;
  }

  return {
    async ask(question) {
      if (open >= maxConcurrent) throw new Error(`More than ${maxConcurrent} questions are open upstream`);
      open += 1;
      try {
        return await askInTurn(question);
      } finally {
        open -= 1;
      }
    },
    get health() {
      return members.map(({ upstream, healthy, failures }) => ({
        upstream: printUpstream(upstream.at),
        healthy,
        failures,
      }));
    },
    close() {
      for (const member of members) member.close();
    },
  };
}

interface MemberOptions {
  readonly maxFails: number;
  readonly healthCheckMs: number;
  readonly timeoutMs: number;
  readonly probe: Question;
}

/** An upstream, and what is thought of it. Probed only after a question went without an answer, until one has it. */
class Member {
  readonly upstream: Upstream;
  readonly #options: MemberOptions;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(upstream: Upstream, options: MemberOptions) {
    this.upstream = upstream;
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  get healthy(): boolean {
    const { maxFails } = this.#options;
    return maxFails === 0 || this.#failures < maxFails;
  }

  suspect(): void {
    const { maxFails, healthCheckMs } = this.#options;
    if (maxFails === 0 || this.#closed || this.#timer !== undefined) return;
    this.#failures += 1;
    this.#timer = setTimeout(() => void this.#probe(), healthCheckMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.upstream.close();
  }

  async #probe(): Promise<void> {
    const { probe, timeoutMs } = this.#options;
    let answered = true;
    try {
      // Any answer will do: it is there.
      await this.upstream.ask(probe, timeoutMs);
    } catch {
      answered = false;
    }
    this.#timer = undefined;
    if (answered) this.#failures = 0;
    else this.suspect();
  }
}

function shuffle<T>(items: readonly T[]): readonly T[] {
  const shuffled = [...items];
  for (let at = shuffled.length - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [shuffled[at], shuffled[other]] = [shuffled[other] as T, shuffled[at] as T];
  }
  return shuffled;
}
