import type { Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import type { EventText } from '../../cluster/events.ts';
import type { PodNetwork } from '../../cni/pod-network.ts';
import type { Netns } from '../../kernel/netns.ts';
import type { Pod } from '../../model/objects.ts';
import type { Isolation } from '../workloads/isolate/isolation.ts';
import type { StandInServer } from '../workloads/standin/stand-in-server.ts';
import type { MountedObjects } from './mounted-objects.ts';
import type { ObjectReader } from './object-reader.ts';
import type { PodFiles } from './pod-files.ts';
import type { StatusWriter } from './status-writer.ts';

/** What the pods of a node have in common. */
export interface PodContext {
  readonly client: Client;
  readonly nodeName: string;
  readonly nodeAddresses: readonly string[];
  readonly nodeNetns: Netns;
  readonly podNetwork: PodNetwork;
  /** `${runtimeDirectory}/nodes/${nodeName}` */
  readonly nodeDirectory: string;
  readonly clock: Clock;
  readonly standIns: StandInServer;
  /** Made when the first isolated container asks. Throws `PodnetError` where containers cannot be isolated. */
  isolation(): Isolation;
  readonly objects: ObjectReader;
  readonly files: PodFiles;
  readonly mountedObjects: MountedObjects;
  readonly statusWriter: StatusWriter;
  record(pod: Pod, event: EventText): void;
  readonly onError: (error: unknown) => void;
}
