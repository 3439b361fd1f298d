import {
  type EndpointChoice,
  type EndpointSource,
  type Ignored,
  type PlannedPort,
  type ServicePlan,
  frontKey,
  hostPort,
} from './plan.ts';

/** The plan in full, sorted: what goldens compare and a person reads. */
export function printPlan(plan: ServicePlan): string {
  const ports = [...plan.ports.values()].toSorted(comparePorts);
  const ignored = [...plan.ignored].toSorted(([a], [b]) => compareText(a, b));
  const health = [...plan.health].toSorted(([a], [b]) => compareText(a, b));
  return [
    ...ports.map(explainPort),
    ...health.map(
      ([service, { port, localEndpoints }]) =>
        `${service}: health check node port ${port}, ${count(localEndpoints, 'local endpoint')}\n`,
    ),
    ...ignored.flatMap(([service, list]) => list.map((each) => printIgnored(service, each))),
  ].join('');
}

function printIgnored(service: string, { object, field, reason, refused }: Ignored): string {
  const of = object.kind === 'Service' ? '' : `${object.kind} ${object.key} `;
  return `${service}: ${refused ? 'refused' : 'left alone'}, ${of}${field} ${reason}\n`;
}

/** One port: the decision first, then the object and field behind each part of it. */
export function explainPort(port: PlannedPort): string {
  const name = port.portName === '' ? '' : ` ${JSON.stringify(port.portName)}`;
  const where = port.kind === 'clusterIP' ? '' : ` ${port.addressField}`;
  const head = `${frontKey(port)}  Service ${port.service} ${port.field}${name}${where}`;
  const { inside, outside } = port;
  const options = printOptions(port);
  if (inside === outside) return `${head}: ${decision(inside)}${options}\n${printChoice(inside)}`;
  return (
    `${head}: from here ${decision(inside)}; from outside ${decision(outside)}${options}\n` +
    `${printChoice(inside, 'from here, ')}${printChoice(outside, 'from outside, ')}`
  );
}

function decision({ endpoints, chosenBy, scope, scopeField, whenNone }: EndpointChoice): string {
  if (endpoints.length === 0) {
    return whenNone === 'reject' ? 'reject, no endpoints' : `drop, no endpoints on this node (${scopeField})`;
  }
  const from = scope === 'cluster' ? '' : `, ${scope === 'node' ? 'on this node' : scope} (${scopeField})`;
  return `${count(endpoints.length, 'endpoint')}, ${chosenBy}${from}`;
}

function printOptions({ kind, masquerade, affinitySeconds, sourceRanges }: PlannedPort): string {
  const parts = [
    ...(affinitySeconds === undefined ? [] : [`affinity ${affinitySeconds} s`]),
    ...(sourceRanges === undefined ? [] : [`only from ${sourceRanges.join(', ') || 'nowhere'}`]),
    ...(kind === 'clusterIP' || masquerade.length === 0 ? [] : [`masquerade ${masquerade.join(', ')}`]),
  ];
  return parts.map((part) => `; ${part}`).join('');
}

function printChoice({ endpoints, skipped }: EndpointChoice, prefix = ''): string {
  return [
    ...endpoints.map(
      ({ address, port: to, source }) => `  ${prefix}to ${hostPort(address, to)}  ${printSource(source)}\n`,
    ),
    ...skipped.map(
      ({ address, source, reason }) => `  ${prefix}not ${address}  ${printSource(source)}: ${reason}\n`,
    ),
  ].join('');
}

function printSource({ slice, field, target, nodeName }: EndpointSource): string {
  const of = target === undefined ? '' : ` ${target}`;
  const on = nodeName === undefined ? '' : ` on ${nodeName}`;
  return `EndpointSlice ${slice} ${field}${of}${on}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function comparePorts(a: PlannedPort, b: PlannedPort): number {
  return compareText(a.service, b.service) || a.port - b.port || compareText(frontKey(a), frontKey(b));
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
