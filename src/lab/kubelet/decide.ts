import type { ContainerRecord } from './container-record.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** What is to be done for a pod now. */
export interface Decision {
  /** Containers to start, in order. */
  readonly start: readonly string[];
  /** Sidecars that outlived the containers they were for. */
  readonly stop: readonly string[];
  /** When a back-off ends, milliseconds since 1970. */
  readonly retryAtMs: number | undefined;
  readonly phase: Phase;
  /** All init containers are done and all sidecars up. */
  readonly initialized: boolean;
  /** Nothing will ever run in this pod again. */
  readonly finished: boolean;
}

export interface DecideInput {
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly records: readonly ContainerRecord[];
  readonly nowMs: number;
}

/** Pure. Init containers run one after another, sidecars among them stay up, then the others run side by side. */
export function decide(input: DecideInput): Decision {
  const plan = new Plan(input);
  const { records, restartPolicy } = input;
  let initialized = true;
  for (const record of records.filter(({ role }) => role === 'init' || role === 'sidecar')) {
    if (record.role === 'sidecar') {
      if (record.state.name !== 'running') plan.want(record);
      if (record.state.name === 'running' && record.started) continue;
    } else {
      if (record.state.name === 'terminated' && record.state.exitCode === 0) continue;
      // A back-off shows as waiting: what ended last decides.
      if (record.state.name === 'terminated' && restartPolicy === 'Never') return plan.fail();
      if (record.state.name !== 'running') plan.want(record);
    }
    initialized = false;
    break;
  }
  // Sidecars behind the one that holds things up may have been started earlier: they are kept up all the same.
  const mains = records.filter(({ role }) => role === 'main');
  if (!initialized && mains.every(({ state, last }) => state.name === 'waiting' && !last))
    return plan.decision('Pending', false);
  const done = mains.filter((record) => isDone(record, restartPolicy));
  if (done.length === mains.length) return plan.finish(mains);
  for (const record of mains)
    if (record.state.name !== 'running' && !done.includes(record)) plan.want(record);
  for (const record of records)
    if (record.role === 'ephemeral' && record.state.name === 'waiting') plan.want(record);
  const neverRan = mains.some(({ state, last }) => state.name === 'waiting' && !last);
  return plan.decision(neverRan ? 'Pending' : 'Running', initialized);
}

function isDone({ state }: ContainerRecord, restartPolicy: DecideInput['restartPolicy']): boolean {
  if (state.name !== 'terminated') return false;
  return restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && state.exitCode === 0);
}

class Plan {
  readonly #start: string[] = [];
  #retryAtMs: number | undefined;
  readonly #input: DecideInput;

  constructor(input: DecideInput) {
    this.#input = input;
  }

  want({ name, notBeforeMs }: ContainerRecord): void {
    if (notBeforeMs <= this.#input.nowMs) this.#start.push(name);
    else this.#retryAtMs = Math.min(this.#retryAtMs ?? Infinity, notBeforeMs);
  }

  decision(phase: Phase, initialized: boolean): Decision {
    return { start: this.#start, stop: [], retryAtMs: this.#retryAtMs, phase, initialized, finished: false };
  }

  fail(): Decision {
    return this.#end('Failed', false);
  }

  finish(mains: readonly ContainerRecord[]): Decision {
    const failed = mains.some(({ state }) => state.name === 'terminated' && state.exitCode !== 0);
    return this.#end(failed ? 'Failed' : 'Succeeded', true);
  }

  #end(phase: Phase, initialized: boolean): Decision {
    const running = this.#input.records.filter(({ state }) => state.name === 'running');
    const stop = running.map(({ name }) => name);
    const finished = stop.length === 0;
    return {
      start: [],
      stop,
      retryAtMs: undefined,
      phase: finished ? phase : 'Running',
      initialized,
      finished,
    };
  }
}
