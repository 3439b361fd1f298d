/** The rules of a Service: k8s.io/kubernetes pkg/apis/core/validation/validation.go, in its words. */
import { isIP } from 'node:net';

import { tryParseCidr, tryParseIp } from '../../../model/ip.ts';
import {
  duplicate,
  forbiddenField,
  invalid,
  notSupported,
  required,
  type FieldError,
} from '../field-error.ts';
import { isObject, listAt, objectAt, stringAt, textOf, type Loose } from '../json-value.ts';
import { validateLabels } from './metadata.ts';
import { labelNameProblem, portNameProblems, portNumberProblem, subdomainProblem } from './names.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const INVALID_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

export function validateService(service: Loose): FieldError[] {
  const spec = objectAt(service, 'spec');
  const type = stringAt(spec, 'type');
  const headless = spec['clusterIP'] === 'None';
  const errors: FieldError[] = [];
  const ports = listAt(spec, 'ports');
  if (!TYPES.includes(type)) errors.push(notSupported('spec.type', type, TYPES));
  if (ports.length === 0 && !headless && type !== 'ExternalName') errors.push(required('spec.ports'));
  if (type === 'LoadBalancer' && headless) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services"));
  }
  if (type === 'NodePort' && headless) {
    errors.push(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services"));
  }
  if (type === 'ExternalName') errors.push(...validateExternalName(spec));
  errors.push(...validateServicePorts(ports, type), ...validateLabels(spec['selector'], 'spec.selector'));
  if (!['ClientIP', 'None'].includes(stringAt(spec, 'sessionAffinity'))) {
    errors.push(notSupported('spec.sessionAffinity', spec['sessionAffinity'], ['ClientIP', 'None']));
  }
  const timeout = objectAt(spec, 'sessionAffinityConfig', 'clientIP')['timeoutSeconds'];
  if (typeof timeout === 'number' && (timeout <= 0 || timeout > 86_400)) {
    const field = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
    errors.push(invalid(field, timeout, 'must be greater than 0 and less than 86400'));
  }
  if (type !== 'ExternalName') errors.push(...validateAddresses(spec));
  errors.push(...validatePolicies(spec));
  return errors;
}

function validateExternalName(spec: Loose): FieldError[] {
  const errors: FieldError[] = [];
  const name = stringAt(spec, 'externalName').replace(/\.$/u, '');
  if (listAt(spec, 'clusterIPs').length > 0) {
    errors.push(forbiddenField('spec.clusterIPs', 'may not be set for ExternalName services'));
  }
  if (name === '') errors.push(required('spec.externalName'));
  else {
    const problem = subdomainProblem(name);
    if (problem !== undefined)
      errors.push(invalid('spec.externalName', stringAt(spec, 'externalName'), problem));
  }
  return errors;
}

function validateServicePorts(ports: readonly unknown[], type: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const pairs = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    if (!isObject(port)) continue;
    const at = `spec.ports[${index}]`;
    const name = stringAt(port, 'name');
    const protocol = stringAt(port, 'protocol');
    const { port: number, targetPort, nodePort } = port;
    if (name === '') {
      if (ports.length > 1) errors.push(required(`${at}.name`));
    } else {
      const problem = labelNameProblem(name);
      if (problem !== undefined) errors.push(invalid(`${at}.name`, name, problem));
      else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const numberProblem = portNumberProblem(number);
    if (numberProblem !== undefined) errors.push(invalid(`${at}.port`, number ?? 0, numberProblem));
    if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`${at}.protocol`, protocol, PROTOCOLS));
    if (typeof targetPort === 'number') {
      const problem = portNumberProblem(targetPort);
      if (problem !== undefined) errors.push(invalid(`${at}.targetPort`, targetPort, problem));
    } else if (typeof targetPort === 'string') {
      for (const problem of portNameProblems(targetPort))
        errors.push(invalid(`${at}.targetPort`, targetPort, problem));
    }
    const pair = `${protocol}/${String(number)}`;
    if (pairs.has(pair))
      errors.push(duplicate(at, { ...(name === '' ? {} : { name }), protocol, port: number }));
    pairs.add(pair);
    if (typeof nodePort !== 'number' || nodePort === 0) continue;
    if (type === 'ClusterIP' || type === 'ExternalName') {
      errors.push(forbiddenField(`${at}.nodePort`, `may not be used when \`type\` is '${type}'`));
    }
    const key = `${protocol}/${nodePort}`;
    if (nodePorts.has(key)) errors.push(duplicate(`${at}.nodePort`, nodePort));
    nodePorts.add(key);
  }
  return errors;
}

function validateAddresses(spec: Loose): FieldError[] {
  const errors: FieldError[] = [];
  const addresses = listAt(spec, 'clusterIPs');
  const clusterIP = stringAt(spec, 'clusterIP');
  if (addresses.length > 0 && clusterIP === '')
    errors.push(required('spec.clusterIP', "must match 'clusterIPs[0]'"));
  if (addresses.length > 0 && clusterIP !== '' && addresses[0] !== clusterIP) {
    errors.push(invalid('spec.clusterIPs', addresses, 'first value must match `clusterIP`'));
  }
  for (const [index, address] of addresses.entries()) {
    if (address === 'None' && index === 0 && addresses.length === 1) continue;
    if (address === '' && index === 0) continue;
    if (tryParseIp(String(address)) === undefined)
      errors.push(invalid(`spec.clusterIPs[${index}]`, address, INVALID_IP));
  }
  const families = addresses
    .map((address) => tryParseIp(String(address))?.family)
    .filter((family) => family !== undefined);
  if (addresses.length > 2)
    errors.push(invalid('spec.clusterIPs', addresses, 'may only hold up to 2 values'));
  if (families.length === 2 && families[0] === families[1]) {
    errors.push(invalid('spec.clusterIPs', addresses, 'may specify no more than one IP for each IP family'));
  }
  for (const [index, family] of listAt(spec, 'ipFamilies').entries()) {
    if (family !== 'IPv4' && family !== 'IPv6')
      errors.push(notSupported(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']));
    else if (families[index] !== undefined && `IPv${families[index]}` !== family) {
      errors.push(
        invalid(
          `spec.clusterIPs[${index}]`,
          addresses[index],
          `expected an ${family} value as indicated by \`ipFamilies[${index}]\``,
        ),
      );
    }
  }
  const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
  const { ipFamilyPolicy } = spec;
  if (ipFamilyPolicy !== undefined && !policies.includes(textOf(ipFamilyPolicy))) {
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, policies));
  }
  for (const [index, address] of listAt(spec, 'externalIPs').entries()) {
    if (isIP(String(address)) === 0) errors.push(invalid(`spec.externalIPs[${index}]`, address, INVALID_IP));
  }
  for (const [index, range] of listAt(spec, 'loadBalancerSourceRanges').entries()) {
    if (tryParseCidr(String(range).trim()) === undefined) {
      errors.push(
        invalid(
          `spec.loadBalancerSourceRanges[${index}]`,
          range,
          'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
        ),
      );
    }
  }
  return errors;
}

function validatePolicies(spec: Loose): FieldError[] {
  const errors: FieldError[] = [];
  const policies = ['Cluster', 'Local'];
  const { type, internalTrafficPolicy: internal, externalTrafficPolicy: external } = spec;
  const outside = type === 'NodePort' || type === 'LoadBalancer' || listAt(spec, 'externalIPs').length > 0;
  if (internal !== undefined && !policies.includes(textOf(internal))) {
    errors.push(notSupported('spec.internalTrafficPolicy', internal, policies));
  }
  if (external !== undefined && !policies.includes(textOf(external))) {
    errors.push(notSupported('spec.externalTrafficPolicy', external, policies));
  } else if (external !== undefined && !outside) {
    errors.push(
      invalid('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services'),
    );
  }
  if (spec['allocateLoadBalancerNodePorts'] !== undefined && type !== 'LoadBalancer') {
    errors.push(
      forbiddenField('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'"),
    );
  }
  if (spec['loadBalancerClass'] !== undefined && type !== 'LoadBalancer') {
    errors.push(forbiddenField('spec.loadBalancerClass', "may only be used when `type` is 'LoadBalancer'"));
  }
  return errors;
}
