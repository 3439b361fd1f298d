import type { DnsLogPage, DnsTop } from '../../dns/observe/look.ts';
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
  | { readonly type: 'podNetns'; readonly id: number; readonly fd: number | undefined }
  /** Answer to `dns`; undefined from a node whose DNS does not run. */
  | { readonly type: 'dns'; readonly id: number; readonly answer: DnsTop | DnsLogPage | undefined };

/** What a node can be asked of those who ask its DNS. */
export type DnsLookQuestion =
  | { readonly of: 'top'; readonly limit: number }
  | { readonly of: 'log'; readonly from: number };

/** To the node's thread. */
export type NodeCommand =
  /** The API server answers: begin. */
  | { readonly type: 'start' }
  | { readonly type: 'stop' }
  | { readonly type: 'podNetns'; readonly id: number; readonly podUid: string }
  | { readonly type: 'dns'; readonly id: number; readonly question: DnsLookQuestion };
