/** Defaults of pods and pod templates: k8s.io/kubernetes pkg/apis/core/v1/defaults.go. */
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';

const DEFAULT_FILE_MODE = 0o644;

export function containersOf(spec: Loose): Loose[] {
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((member) =>
    listAt(spec, member).filter(isObject),
  );
}

/** In place. */
export function setPodSpecDefaults(spec: Loose): void {
  spec['restartPolicy'] ??= 'Always';
  spec['terminationGracePeriodSeconds'] ??= 30;
  spec['dnsPolicy'] ??= 'ClusterFirst';
  spec['securityContext'] ??= {};
  spec['schedulerName'] ??= 'default-scheduler';
  // Two names of one field.
  const account = stringAt(spec, 'serviceAccountName') || stringAt(spec, 'serviceAccount');
  if (account !== '') {
    spec['serviceAccountName'] = account;
    spec['serviceAccount'] = account;
  }
  for (const container of containersOf(spec)) setContainerDefaults(container, spec['hostNetwork'] === true);
  for (const volume of listAt(spec, 'volumes').filter(isObject)) setVolumeDefaults(volume);
}

/** In place; of pods only, not of templates. */
export function setPodDefaults(pod: Loose): void {
  const spec = (pod['spec'] ??= {}) as Loose;
  spec['enableServiceLinks'] ??= true;
  setPodSpecDefaults(spec);
  for (const container of containersOf(spec)) requestWhatIsLimited(container);
}

/** Of a workload's template, in place. */
export function setTemplateDefaults(template: unknown): void {
  if (!isObject(template)) return;
  const metadata = (template['metadata'] ??= {}) as Loose;
  if (isObject(metadata) && metadata['creationTimestamp'] === undefined) metadata['creationTimestamp'] = null;
  if (isObject(template['spec'])) setPodSpecDefaults(template['spec']);
}

function setContainerDefaults(container: Loose, hostNetwork: boolean): void {
  container['imagePullPolicy'] ??= hasLatestTag(stringAt(container, 'image')) ? 'Always' : 'IfNotPresent';
  container['terminationMessagePath'] ??= '/dev/termination-log';
  container['terminationMessagePolicy'] ??= 'File';
  container['resources'] ??= {};
  for (const port of listAt(container, 'ports').filter(isObject)) {
    port['protocol'] ??= 'TCP';
    if (hostNetwork) port['hostPort'] ??= port['containerPort'];
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name];
    if (isObject(probe)) setProbeDefaults(probe);
  }
  for (const hook of ['postStart', 'preStop'])
    setHttpDefaults(objectAt(container, 'lifecycle', hook)['httpGet']);
  for (const variable of listAt(container, 'env')) {
    const reference = objectAt(variable, 'valueFrom')['fieldRef'];
    if (isObject(reference)) reference['apiVersion'] ??= 'v1';
  }
}

/** No tag and no digest mean `latest` too. */
function hasLatestTag(image: string): boolean {
  if (image.includes('@')) return false;
  const last = image.slice(image.lastIndexOf('/') + 1);
  const colon = last.indexOf(':');
  return colon < 0 || last.slice(colon + 1) === 'latest';
}

function setProbeDefaults(probe: Loose): void {
  const defaults = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
  for (const [name, value] of Object.entries(defaults))
    if (probe[name] === undefined || probe[name] === 0) probe[name] = value;
  setHttpDefaults(probe['httpGet']);
  if (isObject(probe['grpc'])) probe['grpc']['service'] ??= '';
}

function setHttpDefaults(get: unknown): void {
  if (!isObject(get)) return;
  if (stringAt(get, 'path') === '') get['path'] = '/';
  if (stringAt(get, 'scheme') === '') get['scheme'] = 'HTTP';
}

function setVolumeDefaults(volume: Loose): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume['emptyDir'] = {};
  for (const source of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const value = volume[source];
    if (isObject(value)) value['defaultMode'] ??= DEFAULT_FILE_MODE;
  }
  if (isObject(volume['hostPath'])) volume['hostPath']['type'] ??= '';
  const items = [
    ...listAt(volume, 'downwardAPI', 'items'),
    ...listAt(volume, 'projected', 'sources').flatMap((source) => listAt(source, 'downwardAPI', 'items')),
  ];
  for (const item of items) {
    const reference = objectAt(item)['fieldRef'];
    if (isObject(reference)) reference['apiVersion'] ??= 'v1';
  }
  for (const source of listAt(volume, 'projected', 'sources')) {
    const token = objectAt(source)['serviceAccountToken'];
    if (isObject(token)) token['expirationSeconds'] ??= 3600;
  }
}

function requestWhatIsLimited(container: Loose): void {
  const resources = container['resources'];
  if (!isObject(resources) || !isObject(resources['limits'])) return;
  const requests = (resources['requests'] ??= {}) as Loose;
  for (const [name, quantity] of Object.entries(resources['limits'])) requests[name] ??= quantity;
}

/** `Guaranteed`, `Burstable` or `BestEffort`, by the CPU and memory of all containers. */
export function qosClass(spec: Loose): string {
  const containers = containersOf(spec);
  const names = ['cpu', 'memory'] as const;
  const values = containers.map((container) => ({
    requests: objectAt(container, 'resources', 'requests'),
    limits: objectAt(container, 'resources', 'limits'),
  }));
  const none = values.every(({ requests, limits }) =>
    names.every((name) => requests[name] === undefined && limits[name] === undefined),
  );
  if (none) return 'BestEffort';
  const guaranteed = values.every(({ requests, limits }) =>
    names.every((name) => limits[name] !== undefined && (requests[name] ?? limits[name]) === limits[name]),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
