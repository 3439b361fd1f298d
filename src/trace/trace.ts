/** The object and field that decide a hop. */
export interface Decision {
  /** `Pod`, `Service`, `EndpointSlice`, `Node`; `Cluster` for the cluster's own settings. */
  readonly kind: string;
  /** Empty for what has no namespace. */
  readonly namespace: string;
  readonly name: string;
  /** As in `kubectl explain`, with indexes: `endpoints[0]`. */
  readonly field: string;
  readonly value: string;
}

/** Where a packet is: in a pod's network namespace, in a node's, or outside the cluster. */
export interface Place {
  readonly kind: 'pod' | 'node' | 'outside';
  /** Of a pod. */
  readonly namespace?: string;
  readonly name: string;
}

/** Addresses and ports as the packet has them behind the hop. */
export interface HopPacket {
  readonly source: string;
  /** Chosen by the sender's kernel; undefined in a prediction. */
  readonly sourcePort?: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export type HopAction =
  /** The client asks the cluster DNS for the destination's name. */
  | 'resolve'
  /** The sender's own namespace routes the packet. */
  | 'send'
  /** A Service's address is replaced by an endpoint's. */
  | 'dnat'
  /** The sender's address is replaced by the node's. */
  | 'masquerade'
  | 'route'
  | 'deliver'
  /** Nobody hears of it any more. */
  | 'drop'
  /** Refused at once: the sender gets an ICMP error or a reset. */
  | 'reject';

export interface Hop {
  readonly place: Place;
  readonly action: HopAction;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  readonly packet: HopPacket;
  /** What happens, in a few words: `DNAT to 10.244.2.7:8080`. */
  readonly summary: string;
  /** Largest packet the hop's outgoing link takes. */
  readonly mtuBytes?: number;
  readonly decidedBy?: Decision;
  /** Why, in one sentence. */
  readonly explain: string;
  /** What was also possible or was left out, a line each. */
  readonly details?: readonly string[];
}

export type Protocol = 'tcp' | 'udp';

/** One endpoint of the Service that the packet may be sent to. */
export interface TraceEndpoint {
  readonly address: string;
  readonly port: number;
  /** Of new connections, 0 to 1. */
  readonly share: number;
  readonly decidedBy: Decision;
  /** `namespace/name`, if the slice says it. */
  readonly pod?: string;
  readonly node?: string;
}

/** A packet's way from a pod, a node or the world to wherever it is sent, hop by hop. Plain data: it can be sent as JSON. */
export interface Trace {
  readonly source: {
    readonly kind: 'pod' | 'node' | 'world';
    /** Of a pod. */
    readonly namespace: string;
    readonly name: string;
    /** Empty for the world. */
    readonly node: string;
  };
  /** As asked for: `svc/api:80`. */
  readonly destination: string;
  readonly protocol: Protocol;
  readonly hops: readonly Hop[];
  /** When the destination is a Service: everything the kernel may choose. `hops` follows the one marked. */
  readonly endpoints: readonly (TraceEndpoint & { readonly followed: boolean })[];
  /** What the sender's packets are addressed to, before any Service's choice. */
  readonly aim: { readonly address: string; readonly port: number };
  readonly outcome: 'delivered' | 'rejected' | 'dropped' | 'leaves the cluster';
  /** Whether the destination sees the sender's own address. */
  readonly sourceKept: boolean;
}
