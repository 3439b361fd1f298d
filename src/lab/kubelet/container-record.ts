import type { Container } from '../../model/objects.ts';

export interface TerminatedState {
  readonly name: 'terminated';
  readonly exitCode: number;
  readonly signal: number;
  readonly reason: string;
  readonly message?: string;
  readonly startedAtMs?: number;
  readonly finishedAtMs: number;
  readonly containerId?: string;
}

export type RecordState =
  | { readonly name: 'waiting'; readonly reason: string; readonly message?: string }
  | { readonly name: 'running'; readonly startedAtMs: number; readonly containerId: string }
  | TerminatedState;

/** `sidecar`: an init container with `restartPolicy: Always`. */
export type ContainerRole = 'init' | 'sidecar' | 'main' | 'ephemeral';

/** What the kubelet knows of one container of a pod. The pod's worker alone changes it. */
export interface ContainerRecord {
  readonly name: string;
  readonly role: ContainerRole;
  readonly spec: Container;
  readonly state: RecordState;
  readonly last?: TerminatedState;
  readonly restartCount: number;
  /** As its readiness probe says; true without one while it runs. */
  readonly ready: boolean;
  /** Its startup probe has passed and its postStart hook has ended. */
  readonly started: boolean;
  /** Not to be started before this time. */
  readonly notBeforeMs: number;
  /** The wait after the next exit. */
  readonly backoffMs: number;
}

export function newRecord(spec: Container, role: ContainerRole): ContainerRecord {
  return {
    name: spec.name,
    role,
    spec,
    state: { name: 'waiting', reason: role === 'main' ? 'ContainerCreating' : 'PodInitializing' },
    restartCount: 0,
    ready: false,
    started: false,
    notBeforeMs: 0,
    backoffMs: 0,
  };
}
