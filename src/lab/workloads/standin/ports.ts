import type { Container } from '../../../model/objects.ts';
import { imageDefaults } from '../image-defaults.ts';

/** A port a stand-in answers on. */
export interface StandInPort {
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  /** Clients of this port open connections ahead and stay silent: never speak first. */
  readonly waitsForClient: boolean;
}

/**
 * Where a stand-in answers: on the declared ports; without any, on the ports the image is known for; and on every port
 * its own probes ask by number.
 */
export function standInPorts(container: Container): StandInPort[] {
  const ports = new Map<string, StandInPort>();
  const add = (port: number | undefined, protocol: string, waitsForClient: boolean): void => {
    if (port === undefined || (protocol !== 'TCP' && protocol !== 'UDP')) return;
    const key = `${port}/${protocol}`;
    if (!ports.has(key)) ports.set(key, { port, protocol, waitsForClient });
  };
  for (const { containerPort, protocol = 'TCP', name = '' } of container.ports ?? [])
    add(containerPort, protocol, WEB_NAME.test(name) || WEB_PORTS.has(containerPort));
  if (ports.size === 0)
    for (const port of imageDefaults(container.image ?? '')?.ports ?? [])
      add(port, 'TCP', WEB_PORTS.has(port));
  for (const { httpGet, tcpSocket, grpc } of probes(container)) {
    if (typeof httpGet?.port === 'number') add(httpGet.port, 'TCP', true);
    if (typeof tcpSocket?.port === 'number') add(tcpSocket.port, 'TCP', WEB_PORTS.has(tcpSocket.port));
    add(grpc?.port, 'TCP', true);
  }
  return [...ports.values()];
}

function probes({
  readinessProbe,
  livenessProbe,
  startupProbe,
}: Container): NonNullable<Container['livenessProbe']>[] {
  return [readinessProbe, livenessProbe, startupProbe].filter((probe) => probe !== undefined);
}

const WEB_NAME = /^(?:http|https|h2c?|grpc|web|ws|metrics|api|admin|health)/;
const WEB_PORTS = new Set([
  80, 443, 3000, 4000, 5000, 7070, 8000, 8080, 8081, 8443, 8888, 9000, 9090, 9443, 50_051,
]);
