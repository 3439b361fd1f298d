import type { AnswerCache, CacheHit } from './cache.ts';
import { readOutsideAnswer, type OutsideAnswer } from './outside-answer.ts';
import { questionKey, type Question } from './question.ts';

export interface ResolverOptions {
  /** Whoever is asked, such as a `Forward`. */
  readonly upstreams: { ask(question: Question): Promise<Buffer> };
  readonly cache: AnswerCache | undefined;
  /**
   * What becomes of a question whose answer is kept but over: `verify` asks, and gives the old answer when nobody has
   * answered within 1.8 seconds (RFC 8767 section 5); `immediate` gives it at once and asks meanwhile.
   */
  readonly stale?: 'verify' | 'immediate';
  /** Which answers are kept; all unless told. */
  readonly keeps?: (key: Question['key'], kind: OutsideAnswer['kind']) => boolean;
  /** Clients hear the TTL that the upstream gave, however old the answer is. */
  readonly keepTtl?: boolean;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

export interface Resolution {
  readonly answer: OutsideAnswer;
  readonly ageSeconds: number;
  /** Answers past their end live this long at the client (RFC 8767 section 4). 0 for all others. */
  readonly floorSeconds: number;
  readonly from: 'cache' | 'stale cache' | 'upstream';
}

export interface Resolver {
  /** What can be answered at once. */
  known(question: Question): Resolution | undefined;
  /** Asks; equal questions wait for one answer. Rejects when nobody answers and nothing is kept. */
  ask(question: Question): Promise<Resolution>;
}

const STALE_SECONDS = 30;
const PATIENCE_MS = 1800;

/** Answers names outside from the cache and from upstreams. */
export function createResolver({
  upstreams,
  cache,
  stale = 'verify',
  keeps = () => true,
  keepTtl = false,
  now = () => performance.now(),
}: ResolverOptions): Resolver {
  const open = new Map<string, Promise<OutsideAnswer>>();

  /** One question to upstreams, whoever asks for it meanwhile; the answer is kept. */
  function fetch(question: Question, key: string): Promise<OutsideAnswer> {
    let answer = open.get(key);
    if (answer === undefined) {
      answer = upstreams
        .ask(question)
        .then((message) => {
          const read = readOutsideAnswer(message);
          if (keeps(question.key, read.kind)) cache?.set(key, read, now());
          return read;
        })
        .finally(() => open.delete(key));
      open.set(key, answer);
    }
    return answer;
  }

  /** Failures are for whoever asks next. */
  function renew(question: Question, key: string): void {
    fetch(question, key).catch(() => cache?.renewalFailed(key));
  }

  function known(question: Question): Resolution | undefined {
    if (cache === undefined) return undefined;
    const key = questionKey(question);
    const hit = cache.get(key, now());
    if (hit === undefined || (hit.stale && stale === 'verify')) return undefined;
    if (hit.prefetch || hit.stale) renew(question, key);
    return given(hit);
  }

  function given(hit: CacheHit): Resolution {
    return kept(keepTtl && !hit.stale ? { ...hit, ageSeconds: 0 } : hit);
  }

  async function ask(question: Question): Promise<Resolution> {
    const atOnce = known(question);
    if (atOnce !== undefined) return atOnce;
    const key = questionKey(question);
    const hit = cache?.get(key, now());
    const answering = fetch(question, key);
    if (hit === undefined) return fresh(await answering);
    const patience = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => patience.resolve(undefined), PATIENCE_MS);
    try {
      const answer = await Promise.race([answering, patience.promise]);
      return answer === undefined || answer.kind === 'failed' ? given(hit) : fresh(answer);
    } catch {
      return given(hit);
    } finally {
      clearTimeout(timer);
    }
  }

  return { known, ask };
}

function fresh(answer: OutsideAnswer): Resolution {
  return { answer, ageSeconds: 0, floorSeconds: 0, from: 'upstream' };
}

function kept({ answer, ageSeconds, stale }: CacheHit): Resolution {
  return stale
    ? { answer, ageSeconds, floorSeconds: STALE_SECONDS, from: 'stale cache' }
    : { answer, ageSeconds, floorSeconds: 0, from: 'cache' };
}
