import { errorMessage } from '../../model/errors.ts';
import type { PlanChange, ServicePlan } from '../plan.ts';
import type { ServiceBackend } from './backend.ts';

export const backendNames = ['nftables', 'iptables', 'ipvs'] as const;
export type BackendName = (typeof backendNames)[number];

export interface SwitchingBackend extends ServiceBackend {
  /** Which one carries out the plan. */
  readonly name: BackendName;
  /**
   * Gives the plan to another backend: that one is brought up first, then the one before is removed, so that every
   * packet finds a rule. Established connections live on. When the new one fails the old one stays, and the error is
   * thrown.
   */
  switchTo(name: BackendName): void;
}

export interface SwitchingOptions {
  readonly first: BackendName;
  /** Opens a backend. @throws PodnetError when a program or a feature of the kernel is missing */
  readonly create: (name: BackendName) => ServiceBackend;
  readonly log?: (level: 'info' | 'warning', message: string) => void;
  /** How often it is looked whether the connections of a backend that had to stay for them have ended. */
  readonly retireIntervalMs?: number;
}

/**
 * One backend at a time of those that there are. Its first `sync` removes what an earlier process left of the others.
 * @throws PodnetError when the first cannot be had
 */
export function createSwitchingBackend(options: SwitchingOptions): SwitchingBackend {
  return new Switching(options);
}

class Switching implements SwitchingBackend {
  readonly #create: SwitchingOptions['create'];
  readonly #log: NonNullable<SwitchingOptions['log']>;
  readonly #retireIntervalMs: number;
  #name: BackendName;
  #current: ServiceBackend;
  #plan: ServicePlan | undefined;
  readonly #retiring = new Map<BackendName, { backend: ServiceBackend; timer: NodeJS.Timeout }>();

  constructor({ first, create, log = () => undefined, retireIntervalMs = 1000 }: SwitchingOptions) {
    this.#create = create;
    this.#log = log;
    this.#retireIntervalMs = retireIntervalMs;
    this.#name = first;
    this.#current = create(first);
  }

  get name(): BackendName {
    return this.#name;
  }

  sync(plan: ServicePlan): void {
    const isFirst = this.#plan === undefined;
    this.#current.sync(plan);
    this.#plan = plan;
    if (isFirst) this.#removeLeftovers();
  }

  apply(change: PlanChange): void {
    this.#current.apply(change);
  }

  isIntact(): boolean {
    return this.#current.isIntact();
  }

  cleanup(): void {
    for (const [name, { backend }] of this.#retiring) this.#endRetirement(name, () => backend.cleanup());
    this.#current.cleanup();
  }

  switchTo(name: BackendName): void {
    if (name === this.#name) return;
    const next = this.#create(name);
    // Back to one that is still on its way out: it starts afresh over what it left.
    this.#endRetirement(name, () => undefined);
    if (this.#plan !== undefined) {
      try {
        next.sync(this.#plan);
      } catch (error) {
        next.cleanup();
        throw error;
      }
    }
    const [old, oldName] = [this.#current, this.#name];
    this.#current = next;
    this.#name = name;
    this.#retire(oldName, old);
    this.#log('info', `services: ${name} has taken over from ${oldName}`);
  }

  #retire(name: BackendName, backend: ServiceBackend): void {
    if (backend.retire === undefined) {
      backend.cleanup();
      return;
    }
    if (backend.retire()) return;
    const timer = setInterval(() => {
      if (backend.retire?.() !== false) this.#endRetirement(name, () => undefined);
    }, this.#retireIntervalMs);
    timer.unref();
    this.#retiring.set(name, { backend, timer });
  }

  #endRetirement(name: BackendName, last: () => void): void {
    const retiring = this.#retiring.get(name);
    if (retiring === undefined) return;
    clearInterval(retiring.timer);
    this.#retiring.delete(name);
    last();
  }

  #removeLeftovers(): void {
    for (const name of backendNames) {
      if (name === this.#name) continue;
      try {
        this.#create(name).cleanup();
      } catch (error) {
        // What cannot be opened cannot have left anything that can be taken away.
        this.#log('info', `services: nothing of ${name} to remove: ${errorMessage(error)}`);
      }
    }
  }
}
