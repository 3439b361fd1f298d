import type { Pod } from '../../model/objects.ts';
import type { PodFacts } from './downward.ts';
import type { PodSandbox } from './sandbox.ts';

/** What a container needs of its pod at the moment it is started. */
export interface InstancePod {
  readonly pod: Pod;
  readonly sandbox: PodSandbox;
  readonly facts: PodFacts;
  /** Writes the pod's files and volumes, once. */
  prepareFiles(): Promise<void>;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}
