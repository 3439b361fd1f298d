import { badRequest } from '../status.ts';
import {
  duplicate,
  forbiddenField,
  invalid,
  notSupported,
  required,
  unknownReference,
  type FieldError,
} from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, textOf, type Loose } from '../json-value.ts';
import { portNameProblems, portNumberProblem } from './names.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc'];
const HOOK_HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'sleep'];
const QUANTITY = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$/u;

export interface ContainerOptions {
  readonly volumes: ReadonlySet<string>;
  /** Host ports of the pod so far; grows. */
  readonly hostPorts: Set<string>;
  readonly init: boolean;
}

export function validateContainer(
  container: Loose,
  at: string,
  { volumes, hostPorts, init }: ContainerOptions,
): FieldError[] {
  const errors: FieldError[] = [];
  const image = stringAt(container, 'image');
  if (image === '') errors.push(required(`${at}.image`));
  else if (image !== image.trim())
    errors.push(invalid(`${at}.image`, image, 'must not have leading or trailing whitespace'));
  errors.push(...validatePorts(container, at, hostPorts), ...validateEnvironment(container, at));
  errors.push(...validateMounts(container, at, volumes), ...validateResources(container, at));
  const { imagePullPolicy } = container;
  if (!PULL_POLICIES.includes(textOf(imagePullPolicy))) {
    errors.push(notSupported(`${at}.imagePullPolicy`, imagePullPolicy, PULL_POLICIES));
  }
  const sidecar = container['restartPolicy'] === 'Always';
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name];
    if (!isObject(probe)) continue;
    if (init && !sidecar)
      errors.push(
        forbiddenField(`${at}.${name}`, 'may not be set for init containers without restartPolicy=Always'),
      );
    else errors.push(...validateProbe(probe, `${at}.${name}`, { once: name !== 'readinessProbe' }));
  }
  for (const hook of ['postStart', 'preStop']) {
    const handler = objectAt(container, 'lifecycle')[hook];
    if (isObject(handler)) errors.push(...validateHandler(handler, `${at}.lifecycle.${hook}`, HOOK_HANDLERS));
  }
  return errors;
}

function validatePorts(container: Loose, at: string, hostPorts: Set<string>): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, port] of listAt(container, 'ports').entries()) {
    if (!isObject(port)) continue;
    const place = `${at}.ports[${index}]`;
    const name = stringAt(port, 'name');
    if (name !== '') {
      const problems = portNameProblems(name);
      for (const problem of problems) errors.push(invalid(`${place}.name`, name, problem));
      if (problems.length === 0 && names.has(name)) errors.push(duplicate(`${place}.name`, name));
      names.add(name);
    }
    const { containerPort, hostPort, protocol } = port;
    if (containerPort === undefined || containerPort === 0) errors.push(required(`${place}.containerPort`));
    else if (portNumberProblem(containerPort) !== undefined) {
      errors.push(invalid(`${place}.containerPort`, containerPort, portNumberProblem(containerPort) ?? ''));
    }
    if (!PROTOCOLS.includes(textOf(protocol)))
      errors.push(notSupported(`${place}.protocol`, protocol, PROTOCOLS));
    if (typeof hostPort !== 'number' || hostPort === 0) continue;
    const problem = portNumberProblem(hostPort);
    if (problem !== undefined) errors.push(invalid(`${place}.hostPort`, hostPort, problem));
    const key = `${textOf(protocol)}/${stringAt(port, 'hostIP')}/${hostPort}`;
    if (hostPorts.has(key)) errors.push(duplicate(`${place}.hostPort`, key));
    hostPorts.add(key);
  }
  return errors;
}

function validateEnvironment(container: Loose, at: string): FieldError[] {
  return listAt(container, 'env').flatMap((variable, index) => {
    const errors: FieldError[] = [];
    const place = `${at}.env[${index}]`;
    const name = stringAt(variable, 'name');
    if (name === '') errors.push(required(`${place}.name`));
    else if (!/^[\u0020-\u003c\u003e-\u007e]+$/u.test(name)) {
      errors.push(
        invalid(
          `${place}.name`,
          name,
          "a valid environment variable name must consist only of printable ASCII characters other than '='",
        ),
      );
    }
    const source = objectAt(variable)['valueFrom'];
    if (!isObject(source)) return errors;
    if (stringAt(variable, 'value') !== '') {
      errors.push(invalid(`${place}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    }
    const count = Object.keys(source).length;
    if (count !== 1) {
      const words =
        count === 0
          ? 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'
          : 'may not have more than one field specified at a time';
      errors.push(invalid(`${place}.valueFrom`, '', words));
    }
    return errors;
  });
}

function validateMounts(container: Loose, at: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  for (const [index, mount] of listAt(container, 'volumeMounts').entries()) {
    const place = `${at}.volumeMounts[${index}]`;
    const name = stringAt(mount, 'name');
    const path = stringAt(mount, 'mountPath');
    if (name === '') errors.push(required(`${place}.name`));
    else if (!volumes.has(name)) errors.push(unknownReference(`${place}.name`, name));
    if (path === '') errors.push(required(`${place}.mountPath`));
    else if (paths.has(path)) errors.push(invalid(`${place}.mountPath`, path, 'must be unique'));
    paths.add(path);
  }
  return errors;
}

const UNITS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function quantity(text: string): number {
  const [, digits = '0', unit = ''] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([a-zA-Z]*)$/u.exec(text) ?? [];
  return Number(digits) * (UNITS[unit] ?? 1);
}

function validateResources(container: Loose, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const limits = objectAt(container, 'resources', 'limits');
  const requests = objectAt(container, 'resources', 'requests');
  for (const [kind, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const [name, amount] of Object.entries(amounts)) {
      const text = String(amount);
      if (!QUANTITY.test(text)) {
        throw badRequest(
          `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': ${at}.resources.${kind}.${name}: ${JSON.stringify(amount)}`,
        );
      }
      if (quantity(text) < 0) {
        errors.push(invalid(`${at}.resources.${kind}[${name}]`, text, 'must be greater than or equal to 0'));
      }
      const limit = limits[name];
      if (
        kind === 'requests' &&
        limit !== undefined &&
        QUANTITY.test(textOf(limit)) &&
        quantity(text) > quantity(textOf(limit))
      ) {
        errors.push(
          invalid(
            `${at}.resources.requests`,
            text,
            `must be less than or equal to ${name} limit of ${textOf(limit)}`,
          ),
        );
      }
    }
  }
  return errors;
}

function validateProbe(probe: Loose, at: string, { once }: { once: boolean }): FieldError[] {
  const errors = validateHandler(probe, at, HANDLERS);
  for (const name of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    const value = probe[name];
    if (typeof value === 'number' && value < 0) {
      errors.push(invalid(`${at}.${name}`, value, 'must be greater than or equal to 0'));
    }
  }
  if (once && probe['successThreshold'] !== 1) {
    errors.push(invalid(`${at}.successThreshold`, probe['successThreshold'], 'must be 1'));
  }
  return errors;
}

function validateHandler(handler: Loose, at: string, kinds: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  const present = kinds.filter((kind) => isObject(handler[kind]));
  if (present.length === 0) errors.push(required(at, 'must specify a handler type'));
  for (const extra of present.slice(1)) {
    errors.push(forbiddenField(`${at}.${extra}`, 'may not specify more than 1 handler type'));
  }
  for (const kind of ['httpGet', 'tcpSocket', 'grpc']) {
    const action = handler[kind];
    if (!isObject(action)) continue;
    const { port } = action;
    const problems = typeof port === 'string' ? portNameProblems(port) : [portNumberProblem(port)];
    for (const problem of problems)
      if (problem !== undefined) errors.push(invalid(`${at}.${kind}.port`, port ?? 0, problem));
  }
  if (isObject(handler['exec']) && listAt(handler, 'exec', 'command').length === 0) {
    errors.push(required(`${at}.exec.command`));
  }
  const scheme = objectAt(handler, 'httpGet')['scheme'];
  if (scheme !== undefined && scheme !== 'HTTP' && scheme !== 'HTTPS') {
    errors.push(notSupported(`${at}.httpGet.scheme`, scheme, ['HTTP', 'HTTPS']));
  }
  return errors;
}
