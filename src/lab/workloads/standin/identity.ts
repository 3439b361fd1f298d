/** Who a stand-in is, as it tells everyone who asks. */
export interface Identity {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly image: string;
  readonly node: string;
  readonly addresses: readonly string[];
}

/** What the stand-in saw of its client. */
export interface Client {
  readonly address: string;
  readonly port: number;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** `HTTP/1.1`, `HTTP/2`. */
  readonly protocol: string;
}

/** Every datagram and line of a stand-in begins so: by it stand-ins know one another and do not answer in circles. */
export const GREETING = 'podnet: ';

/** One line without its end. */
export function greeting(identity: Identity, client: Client, port: number, transport: 'TCP' | 'UDP'): string {
  const { pod, namespace, container, image, node, addresses } = identity;
  return `${GREETING}pod ${namespace}/${pod} container ${container} (stand-in for ${image}) at ${addresses.join(',')} on ${node}, ${transport} port ${port}; you are ${client.address} port ${client.port}`;
}

/** The body of an HTTP answer as plain text, a field a line. */
export function textAnswer(identity: Identity, client: Client, port: number, request: SeenRequest): string {
  return [
    ['pod', `${identity.namespace}/${identity.pod}`],
    ['container', `${identity.container} (stand-in for ${identity.image})`],
    ['address', `${identity.addresses.join(', ')} port ${port}`],
    ['node', identity.node],
    ['client', `${client.address} port ${client.port}`],
    ['request', `${request.method} ${request.path} ${request.protocol}`],
    ['host', request.host],
  ]
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

/** The same as JSON. */
export function jsonAnswer(identity: Identity, client: Client, port: number, request: SeenRequest): string {
  return `${JSON.stringify({ ...identity, port, client, request })}\n`;
}

/** IPv4 as such, not as an IPv6 address that contains it. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}
