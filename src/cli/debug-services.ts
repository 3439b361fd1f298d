import { isPodReady } from '../model/conditions.ts';
import { type Pod, type Service, objectKey } from '../model/objects.ts';
import { compare } from '../trace/compare.ts';
import type { TraceView } from '../trace/view.ts';
import { tracePacket } from '../trace/walk.ts';
import { type RunningCluster, withCluster } from './cluster.ts';
import { printData } from './data.ts';
import { type Check, checkObjects } from './service-checks.ts';
import { findService } from './services.ts';
import type { ServicesOptions } from './services-commands.ts';
import { out, printResult } from './terminal.ts';
import { loadView } from './trace.ts';

/** `podnet debug services`. Resolves with the exit code: 1 when something is wrong. */
export async function debugServices(name: string, options: ServicesOptions): Promise<number> {
  return withCluster(options.name, async (cluster) => {
    const view = await loadView(cluster.client);
    const service = findService(view, name, options.namespace);
    const checks: Check[] = [...checkObjects(view, service)];
    checks.push(await checkName(cluster, view, service));
    // Behind a thing that is wrong there is nothing to be learned from packets.
    if (!checks.some(({ state }) => state === 'wrong'))
      checks.push(...(await checkNodes(cluster, view, service)));
    const first = checks.find(({ state }) => state === 'wrong');
    const result = { service: objectKey(service), ok: first === undefined, checks };
    if (!printData(result, options.output)) printResult(print(result.service, checks, first));
    return first === undefined ? 0 : 1;
  });
}

function print(service: string, checks: readonly Check[], first: Check | undefined): string {
  const marks = { ok: out.green('✔'), wrong: out.red('✗'), skipped: out.dim('-') };
  const widest = Math.max(...checks.map(({ name }) => name.length));
  return [
    out.bold(`Service ${service}`),
    ...checks.map(({ name, state, text }) => `${marks[state]} ${name.padEnd(widest)}  ${text}`),
    '',
    first === undefined
      ? out.green('nothing is wrong')
      : `${out.red('wrong:')} ${first.text}\n${out.bold('fix:')}   ${first.fix ?? ''}`.trimEnd(),
  ].join('\n');
}

/** Whether a pod gets the Service's address from the cluster DNS. */
async function checkName(
  { control }: RunningCluster,
  view: TraceView,
  { metadata, spec }: Service,
): Promise<Check> {
  const name = `${metadata?.name}.${metadata?.namespace}.svc.${view.clusterDomain}`;
  const server = view.clusterDns[0];
  const pod = view.pods.find(isReadyPod);
  if (pod === undefined || server === undefined || spec?.type === 'ExternalName')
    return {
      name: 'DNS',
      state: 'skipped',
      text: pod === undefined ? 'no pod is ready to ask' : `${name} is an alias`,
    };
  const { namespace = '', name: podName = '' } = pod.metadata ?? {};
  const { rcode, addresses, milliseconds } = await control.call('lookup', {
    pod: `${namespace}/${podName}`,
    name,
    server,
  });
  const asked = `${name} from pod ${namespace}/${podName}`;
  const wantsAddress = spec?.clusterIP !== undefined && spec.clusterIP !== 'None';
  const isRight =
    rcode === 0 &&
    (!wantsAddress ||
      addresses.some((address) => spec.clusterIPs?.includes(address) ?? address === spec.clusterIP));
  if (isRight)
    return {
      name: 'DNS',
      state: 'ok',
      text: `${name} is ${addresses.join(', ') || 'empty'} (${milliseconds.toFixed(1)} ms)`,
    };
  return {
    name: 'DNS',
    state: 'wrong',
    text:
      rcode === undefined
        ? `${server} does not answer ${asked}`
        : `${server} answers ${asked} with ${addresses.join(', ') || 'no address'}`,
    fix: `See what the agent of ${pod.spec?.nodeName} says in the lab's log, and: ./podnet trace ${namespace}/${podName} ${server}:53 -p udp --observe`,
  };
}

function isReadyPod(pod: Pod): boolean {
  return isPodReady(pod) && pod.spec?.hostNetwork !== true && pod.metadata?.deletionTimestamp === undefined;
}

/** A real connection from every node, laid beside what its plan says. */
async function checkNodes(
  { control }: RunningCluster,
  view: TraceView,
  service: Service,
): Promise<readonly Check[]> {
  const { metadata, spec } = service;
  const address = spec?.clusterIP ?? '';
  const port = spec?.ports?.find(({ protocol = 'TCP' }) => protocol !== 'SCTP');
  if (address === '' || address === 'None' || spec?.type === 'ExternalName' || port === undefined)
    return [{ name: 'nodes', state: 'skipped', text: 'no cluster IP to connect to' }];
  const protocol = port.protocol === 'UDP' ? 'udp' : 'tcp';
  const destination = `${address.includes(':') ? `[${address}]` : address}:${port.port}`;
  const checks: Check[] = [];
  for (const { metadata: node } of view.nodes) {
    const name = node?.name ?? '';
    const request = {
      source: `node/${name}`,
      destination,
      protocol,
      namespace: metadata?.namespace ?? '',
    } as const;
    // One after the other: each has every kernel on the way report what it does.
    const observation = await control.call('observe', { trace: tracePacket(view, request) });
    const { endpoint, reply } = observation;
    const trace = tracePacket(view, { ...request, ...(endpoint !== undefined && { endpoint }) });
    const comparison = compare(trace, observation);
    const differences = [...comparison.differences, ...comparison.hops.flatMap((hop) => hop.differences)];
    const again = `./podnet trace node/${name} ${destination}${protocol === 'udp' ? ' -p udp' : ''} --observe`;
    const heard = `${destination} → ${endpoint ?? 'nowhere'}: ${reply}`;
    const text = comparison.agrees
      ? heard
      : `the kernel does otherwise than planned: ${differences[0] ?? 'the packet went astray'}`;
    const isGood =
      comparison.agrees &&
      (reply === 'connected' || reply === 'answered' || (protocol === 'udp' && reply === 'silence'));
    checks.push(
      isGood
        ? { name, state: 'ok', text }
        : {
            name,
            state: 'wrong',
            text,
            fix:
              reply === 'refused' && comparison.agrees
                ? `Nobody listens on ${endpoint ?? 'it'}: see the pod's logs, and whether targetPort is the port it listens on.`
                : `See every hop: ${again}`,
          },
    );
  }
  return checks;
}
