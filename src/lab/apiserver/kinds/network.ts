/** Endpoints, EndpointSlices, Ingresses and NetworkPolicies. */
import { cidrContains, tryParseCidr, tryParseIp } from '../../../model/ip.ts';
import { compileLabelSelector, SelectorSyntaxError } from '../../../model/selectors.ts';
import { duplicate, invalid, notSupported, required, tooMany, type FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, textOf, type Loose } from '../json-value.ts';
import type { Strategy } from '../strategy.ts';
import { immutable } from '../validation/metadata.ts';
import {
  labelNameProblem,
  portNameProblems,
  portNumberProblem,
  subdomainProblem,
} from '../validation/names.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const INVALID_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const INVALID_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const MAX_ENDPOINTS = 1000;

function setProtocols(ports: readonly unknown[]): void {
  for (const port of ports.filter(isObject)) port['protocol'] ??= 'TCP';
}

function validatePortList(
  ports: readonly unknown[],
  at: string,
  { named }: { named: boolean },
): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const place = `${at}[${index}]`;
    const errors: FieldError[] = [];
    const name = stringAt(port, 'name');
    if (name !== '') {
      const problem = labelNameProblem(name);
      if (problem !== undefined) errors.push(invalid(`${place}.name`, name, problem));
    } else if (named && ports.length > 1) errors.push(required(`${place}.name`));
    if (names.has(name) && (name !== '' || !named)) errors.push(duplicate(`${place}.name`, name));
    names.add(name);
    const { port: number, protocol } = objectAt(port);
    const problem = number === undefined ? undefined : portNumberProblem(number);
    if (problem !== undefined) errors.push(invalid(`${place}.port`, number, problem));
    if (!PROTOCOLS.includes(textOf(protocol)))
      errors.push(notSupported(`${place}.protocol`, protocol, PROTOCOLS));
    return errors;
  });
}

/** Addresses a Service must not be sent to. */
function endpointAddressProblem(text: string): string | undefined {
  const ip = tryParseIp(text);
  if (ip === undefined) return INVALID_IP;
  const within = (cidr: string): boolean => {
    const parsed = tryParseCidr(cidr);
    return parsed !== undefined && cidrContains(parsed.network, ip);
  };
  if (ip.value === 0n) return `may not be unspecified (${ip.family === 4 ? '0.0.0.0' : '::'})`;
  if (within('127.0.0.0/8') || within('::1/128'))
    return 'may not be in the loopback range (127.0.0.0/8, ::1/128)';
  if (within('169.254.0.0/16') || within('fe80::/10'))
    return 'may not be in the link-local range (169.254.0.0/16, fe80::/10)';
  if (within('224.0.0.0/24') || within('ff02::/10'))
    return 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)';
  return undefined;
}

export const endpointsStrategy: Strategy = {
  createOnUpdate: true,
  setDefaults(object) {
    for (const subset of listAt(object, 'subsets')) setProtocols(listAt(subset, 'ports'));
  },
  validate: (object) =>
    listAt(object, 'subsets').flatMap((subset, index) => {
      const place = `subsets[${index}]`;
      const errors: FieldError[] = [];
      if (listAt(subset, 'addresses').length === 0 && listAt(subset, 'notReadyAddresses').length === 0) {
        errors.push(required(place, 'must specify `addresses` or `notReadyAddresses`'));
      }
      for (const member of ['addresses', 'notReadyAddresses']) {
        for (const [position, address] of listAt(subset, member).entries()) {
          const ip = stringAt(address, 'ip');
          const problem = endpointAddressProblem(ip);
          if (problem !== undefined) errors.push(invalid(`${place}.${member}[${position}].ip`, ip, problem));
        }
      }
      return [...errors, ...validatePortList(listAt(subset, 'ports'), `${place}.ports`, { named: true })];
    }),
};

export const endpointSliceStrategy: Strategy = {
  hasGeneration: true,
  setDefaults(object) {
    for (const port of listAt(object, 'ports').filter(isObject)) {
      port['name'] ??= '';
      port['protocol'] ??= 'TCP';
    }
  },
  validate(object) {
    const types = ['FQDN', 'IPv4', 'IPv6'];
    const type = stringAt(object, 'addressType');
    const endpoints = listAt(object, 'endpoints');
    const errors: FieldError[] = [];
    if (type === '') errors.push(required('addressType'));
    else if (!types.includes(type)) errors.push(notSupported('addressType', type, types));
    if (endpoints.length > MAX_ENDPOINTS) errors.push(tooMany('endpoints', endpoints.length, MAX_ENDPOINTS));
    for (const [index, endpoint] of endpoints.entries()) {
      const addresses = listAt(endpoint, 'addresses');
      const at = `endpoints[${index}].addresses`;
      if (addresses.length === 0) errors.push(required(at, 'must contain at least 1 address'));
      if (addresses.length > 100) errors.push(tooMany(at, addresses.length, 100));
      for (const [position, address] of addresses.entries()) {
        const problem = sliceAddressProblem(type, String(address));
        if (problem !== undefined) errors.push(invalid(`${at}[${position}]`, address, problem));
      }
    }
    return [...errors, ...validatePortList(listAt(object, 'ports'), 'ports', { named: false })];
  },
  validateUpdate: (object, old) => immutable('addressType', object['addressType'], old['addressType']),
};

function sliceAddressProblem(type: string, address: string): string | undefined {
  if (type === 'FQDN') return subdomainProblem(address);
  const ip = tryParseIp(address);
  if (type === 'IPv4' && ip?.family !== 4) return 'must be a valid IPv4 address';
  if (type === 'IPv6' && ip?.family !== 6) return 'must be a valid IPv6 address';
  return endpointAddressProblem(address);
}

export const ingressStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  validate(object) {
    const spec = objectAt(object, 'spec');
    const rules = listAt(spec, 'rules');
    const errors: FieldError[] = [];
    if (rules.length === 0 && spec['defaultBackend'] === undefined) {
      errors.push(invalid('spec', rules, 'either `defaultBackend` or `rules` must be specified'));
    }
    if (isObject(spec['defaultBackend']))
      errors.push(...validateBackend(spec['defaultBackend'], 'spec.defaultBackend'));
    for (const [index, rule] of rules.entries()) {
      const host = stringAt(rule, 'host');
      const at = `spec.rules[${index}]`;
      const problem = host === '' ? undefined : subdomainProblem(host.replace(/^\*\./u, ''));
      if (tryParseIp(host) !== undefined)
        errors.push(invalid(`${at}.host`, host, 'must be a DNS name, not an IP address'));
      else if (problem !== undefined) errors.push(invalid(`${at}.host`, host, problem));
      const http = objectAt(rule)['http'];
      if (!isObject(http)) continue;
      const paths = listAt(http, 'paths');
      if (paths.length === 0) errors.push(required(`${at}.http.paths`));
      for (const [position, path] of paths.entries())
        errors.push(...validateIngressPath(path, `${at}.http.paths[${position}]`));
    }
    return errors;
  },
};

function validateIngressPath(value: unknown, at: string): FieldError[] {
  const types = ['Exact', 'ImplementationSpecific', 'Prefix'];
  const type = objectAt(value)['pathType'];
  const path = stringAt(value, 'path');
  const errors: FieldError[] = [];
  if (type === undefined) errors.push(required(`${at}.pathType`, 'pathType must be specified'));
  else if (!types.includes(textOf(type))) errors.push(notSupported(`${at}.pathType`, type, types));
  else if (type !== 'ImplementationSpecific' && !path.startsWith('/'))
    errors.push(invalid(`${at}.path`, path, 'must be an absolute path'));
  return [...errors, ...validateBackend(objectAt(value, 'backend'), `${at}.backend`)];
}

function validateBackend(backend: Loose, at: string): FieldError[] {
  const { service, resource } = backend;
  if (isObject(resource) && isObject(service))
    return [invalid(at, '', 'cannot set both resource and service backends')];
  if (isObject(resource)) return [];
  const errors: FieldError[] = [];
  if (stringAt(service, 'name') === '') errors.push(required(`${at}.service.name`));
  const { number, name } = objectAt(service, 'port');
  if (number === undefined && (name === undefined || name === ''))
    errors.push(required(`${at}.service.port`, 'port name or number is required'));
  const problem = number === undefined ? undefined : portNumberProblem(number);
  if (problem !== undefined) errors.push(invalid(`${at}.service.port.number`, number, problem));
  return errors;
}

export const networkPolicyStrategy: Strategy = {
  hasGeneration: true,
  setDefaults(object) {
    const spec = (object['spec'] ??= {}) as Loose;
    if (spec['policyTypes'] === undefined) {
      spec['policyTypes'] = listAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
    }
    for (const rule of [...listAt(spec, 'ingress'), ...listAt(spec, 'egress')])
      setProtocols(listAt(rule, 'ports'));
  },
  validate(object) {
    const spec = objectAt(object, 'spec');
    const errors = validateSelector(spec['podSelector'], 'spec.podSelector');
    const types = listAt(spec, 'policyTypes');
    if (types.length > 2)
      errors.push(invalid('spec.policyTypes', types, 'may not specify more than two policyTypes'));
    for (const [index, type] of types.entries()) {
      if (type !== 'Ingress' && type !== 'Egress')
        errors.push(notSupported(`spec.policyTypes[${index}]`, type, ['Egress', 'Ingress']));
    }
    for (const [member, peers] of [
      ['ingress', 'from'],
      ['egress', 'to'],
    ] as const) {
      for (const [index, rule] of listAt(spec, member).entries()) {
        const at = `spec.${member}[${index}]`;
        for (const [position, port] of listAt(rule, 'ports').entries())
          errors.push(...validatePolicyPort(objectAt(port), `${at}.ports[${position}]`));
        for (const [position, peer] of listAt(rule, peers).entries())
          errors.push(...validatePeer(objectAt(peer), `${at}.${peers}[${position}]`));
      }
    }
    return errors;
  },
};

function validateSelector(selector: unknown, at: string): FieldError[] {
  if (!isObject(selector)) return [];
  try {
    compileLabelSelector(selector);
    return [];
  } catch (error) {
    if (!(error instanceof SelectorSyntaxError)) throw error;
    return [invalid(at, selector, error.message)];
  }
}

function validatePolicyPort({ port, endPort, protocol }: Loose, at: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!PROTOCOLS.includes(textOf(protocol))) errors.push(notSupported(`${at}.protocol`, protocol, PROTOCOLS));
  if (typeof port === 'number') {
    const problem = portNumberProblem(port);
    if (problem !== undefined) errors.push(invalid(`${at}.port`, port, problem));
  } else if (typeof port === 'string') {
    for (const problem of portNameProblems(port)) errors.push(invalid(`${at}.port`, port, problem));
  }
  if (endPort === undefined) return errors;
  if (port === undefined) errors.push(required(`${at}.port`, 'must be specified when endPort is specified'));
  else if (typeof port === 'string')
    errors.push(invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is non-numeric'));
  else if (Number(endPort) < Number(port))
    errors.push(invalid(`${at}.endPort`, endPort, 'must be greater than or equal to `port`'));
  else if (portNumberProblem(endPort) !== undefined)
    errors.push(invalid(`${at}.endPort`, endPort, portNumberProblem(endPort) ?? ''));
  return errors;
}

function validatePeer(peer: Loose, at: string): FieldError[] {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  const errors = [
    ...validateSelector(podSelector, `${at}.podSelector`),
    ...validateSelector(namespaceSelector, `${at}.namespaceSelector`),
  ];
  if (ipBlock === undefined && podSelector === undefined && namespaceSelector === undefined)
    errors.push(required(at, 'must specify a peer'));
  if (!isObject(ipBlock)) return errors;
  if (podSelector !== undefined || namespaceSelector !== undefined) {
    errors.push({
      field: at,
      reason: 'FieldValueForbidden',
      message: 'Forbidden: may not specify both ipBlock and another peer',
    });
  }
  const cidr = stringAt(ipBlock, 'cidr');
  const whole = tryParseCidr(cidr)?.network;
  if (cidr === '') errors.push(required(`${at}.ipBlock.cidr`));
  else if (whole === undefined) errors.push(invalid(`${at}.ipBlock.cidr`, cidr, INVALID_CIDR));
  for (const [index, except] of listAt(ipBlock, 'except').entries()) {
    const part = tryParseCidr(String(except))?.network;
    if (part === undefined) errors.push(invalid(`${at}.ipBlock.except[${index}]`, except, INVALID_CIDR));
    else if (whole !== undefined && !(cidrContains(whole, part) && part.prefixLength > whole.prefixLength)) {
      errors.push(invalid(`${at}.ipBlock.except[${index}]`, except, 'must be a strict subset of `cidr`'));
    }
  }
  return errors;
}

export const disruptionBudgetStrategy: Strategy = {
  hasStatus: true,
  hasGeneration: true,
  validate(object) {
    const spec = objectAt(object, 'spec');
    if (spec['minAvailable'] !== undefined && spec['maxUnavailable'] !== undefined) {
      return [invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')];
    }
    return validateSelector(spec['selector'], 'spec.selector');
  },
};
