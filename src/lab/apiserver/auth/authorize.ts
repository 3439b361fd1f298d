import type { IncomingHttpHeaders } from 'node:http';

import { isObject, listAt, objectAt, stringAt } from '../json-value.ts';
import { forbidden, forbiddenPath } from '../status.ts';
import type { Store, StoredObject } from '../storage/store.ts';
import type { User } from './user.ts';

/** What a request wants to do. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

/** Groups that may do everything. */
const MASTERS = new Set(['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system']);

/** Resources any authenticated user may create to learn about itself (the role system:basic-user). */
const ABOUT_SELF = new Set([
  'selfsubjectaccessreviews.authorization.k8s.io',
  'selfsubjectrulesreviews.authorization.k8s.io',
  'selfsubjectreviews.authentication.k8s.io',
]);

/** @throws StatusError 403 */
export function authorize(store: Store, user: User, attributes: Attributes): void {
  if (isAllowed(store, user, attributes)) return;
  const { verb, group, resource, subresource, namespace, name } = attributes;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  throw forbidden({ group, plural: resource }, name, {
    why: `User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`,
  });
}

export function isMaster({ groups }: User): boolean {
  return groups.some((group) => MASTERS.has(group));
}

/** Groups that may do everything, then the stored roles and bindings of rbac.authorization.k8s.io. */
export function isAllowed(store: Store, user: User, attributes: Attributes): boolean {
  if (isMaster(user)) return true;
  const resource =
    attributes.group === '' ? attributes.resource : `${attributes.resource}.${attributes.group}`;
  if (
    attributes.verb === 'create' &&
    ABOUT_SELF.has(resource) &&
    user.groups.includes('system:authenticated')
  )
    return true;
  return rulesOf(store, user, attributes.namespace).some((rule) => ruleAllows(rule, attributes));
}

/** @throws StatusError 403 */
export function authorizePath(
  store: Store,
  user: User,
  { verb, path }: { verb: string; path: string },
): void {
  // The roles system:discovery and system:public-info-viewer.
  if (user.groups.includes('system:authenticated')) return;
  const allowed = rulesOf(store, user, '').some(
    (rule) =>
      has(rule, 'verbs', verb) &&
      listAt(rule, 'nonResourceURLs').some((url) => matchesUrl(String(url), path)),
  );
  if (!allowed)
    throw forbiddenPath(
      `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`,
    );
}

/**
 * `kubectl --as`: the user the headers name, when the caller may be that user.
 * @throws StatusError 403
 */
export function impersonate(store: Store, user: User, headers: IncomingHttpHeaders): User {
  const name = String(headers['impersonate-user'] ?? '');
  const [, namespace = '', account = ''] = /^system:serviceaccount:([^:]+):([^:]+)$/u.exec(name) ?? [];
  const asked = [headers['impersonate-group'] ?? []].flat().flatMap((groups) => groups.split(/, */u));
  const implied = account === '' ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`];
  const common = { verb: 'impersonate', group: '', subresource: '' };
  authorize(
    store,
    user,
    account === ''
      ? { ...common, resource: 'users', namespace: '', name }
      : { ...common, resource: 'serviceaccounts', namespace, name: account },
  );
  for (const group of asked)
    authorize(store, user, { ...common, resource: 'groups', namespace: '', name: group });
  return { name, groups: [...new Set([...asked, ...implied, 'system:authenticated'])] };
}

function matchesUrl(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path;
}

/** The rules that hold for a user in one namespace (or cluster-wide, in the empty one). */
export function rulesOf(store: Store, user: User, namespace: string): unknown[] {
  const bindings = [...store.list('clusterrolebindings.rbac.authorization.k8s.io')];
  if (namespace !== '') bindings.push(...store.list('rolebindings.rbac.authorization.k8s.io', namespace));
  return bindings
    .filter((binding) => listAt(binding, 'subjects').some((subject) => isSubject(subject, user, binding)))
    .flatMap((binding) => listAt(roleOf(store, binding), 'rules'));
}

function isSubject(subject: unknown, user: User, binding: StoredObject): boolean {
  const name = stringAt(subject, 'name');
  switch (stringAt(subject, 'kind')) {
    case 'User':
      return user.name === name;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount': {
      const namespace = stringAt(subject, 'namespace') || binding.metadata.namespace || '';
      return user.name === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}

function roleOf(store: Store, binding: StoredObject): StoredObject | undefined {
  const reference = objectAt(binding, 'roleRef');
  const name = stringAt(reference, 'name');
  const { namespace = '' } = binding.metadata;
  return stringAt(reference, 'kind') === 'ClusterRole'
    ? store.get({ storage: 'clusterroles.rbac.authorization.k8s.io', namespace: '', name })
    : store.get({ storage: 'roles.rbac.authorization.k8s.io', namespace, name });
}

function has(rule: unknown, member: string, value: string): boolean {
  const list = listAt(rule, member);
  return list.includes('*') || list.includes(value);
}

function ruleAllows(rule: unknown, { verb, group, resource, subresource, name }: Attributes): boolean {
  if (!isObject(rule) || !has(rule, 'verbs', verb) || !has(rule, 'apiGroups', group)) return false;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const resources = listAt(rule, 'resources');
  const fits =
    resources.includes('*') ||
    resources.includes(full) ||
    (subresource !== '' && resources.includes(`*/${subresource}`));
  if (!fits) return false;
  const names = listAt(rule, 'resourceNames');
  return names.length === 0 || names.includes(name);
}
