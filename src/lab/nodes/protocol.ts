import type { LabOptions } from '../options.ts';

/** What a node's thread is born with. */
export interface NodeThreadData {
  readonly name: string;
  /** One of each IP family of the cluster. */
  readonly addresses: readonly string[];
  /** File descriptor of the node's network namespace. Descriptors belong to the process: any thread may use it. */
  readonly netnsFd: number;
  readonly kubeconfig: string;
  readonly runtimeDirectory: string;
  readonly options: LabOptions;
}

/** From the node's thread. */
export type NodeMessage =
  | { readonly type: 'log'; readonly level: 'info' | 'warning' | 'error'; readonly message: string }
  | { readonly type: 'stopped' }
  /** Answer to `podNetns`: the descriptor, or undefined for a pod that is not here. */
  | { readonly type: 'podNetns'; readonly id: number; readonly fd: number | undefined };

/** To the node's thread. */
export type NodeCommand =
  /** The API server answers: begin. */
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'podNetns'; readonly id: number; readonly podUid: string };
