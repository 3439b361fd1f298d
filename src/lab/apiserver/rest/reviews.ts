import { isAllowed, rulesOf } from '../auth/authorize.ts';
import type { User } from '../auth/user.ts';
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { Core } from '../server-core.ts';
import { badRequest } from '../status.ts';
import type { Answer, Call } from './call.ts';
import { decodeObject } from './decode.ts';

/** POST of a review: a question that is answered and not stored. */
export function createReview(core: Core, call: Call): Answer {
  const review = decodeObject(call, call.kind);
  return {
    status: 201,
    body: {
      ...review,
      metadata: { creationTimestamp: null, ...objectAt(review, 'metadata') },
      ...answer(core, call, review),
    },
  };
}

function answer(core: Core, call: Call, review: Loose): Loose {
  const spec = objectAt(review, 'spec');
  switch (call.kind.kind) {
    case 'SelfSubjectReview':
      return { status: { userInfo: userInfo(call.user) } };
    case 'TokenReview': {
      const user = core.authenticateToken(stringAt(spec, 'token'));
      return {
        status:
          user === undefined
            ? { authenticated: false, error: 'invalid bearer token' }
            : { authenticated: true, user: userInfo(user) },
      };
    }
    case 'SelfSubjectAccessReview':
      return { status: access(core, call.user, spec) };
    case 'SubjectAccessReview':
    case 'LocalSubjectAccessReview': {
      if (stringAt(spec, 'user') === '' && listAt(spec, 'groups').length === 0) {
        throw badRequest('spec.user: Required value: at least one of user or group must be specified');
      }
      return {
        status: access(
          core,
          { name: stringAt(spec, 'user'), groups: listAt(spec, 'groups').map(String) },
          spec,
        ),
      };
    }
    case 'SelfSubjectRulesReview':
      return { status: rules(core, call.user, stringAt(spec, 'namespace')) };
    default:
      throw badRequest(`${call.kind.kind} cannot be created`);
  }
}

function userInfo({ name, groups, uid, extra }: User): Loose {
  return {
    username: name,
    groups: [...groups],
    ...(uid === undefined ? {} : { uid }),
    ...(extra === undefined ? {} : { extra }),
  };
}

function access({ store }: Core, user: User, spec: Loose): Loose {
  const wanted = objectAt(spec, 'resourceAttributes');
  if (!isObject(spec['resourceAttributes'])) {
    return {
      allowed: user.groups.includes('system:authenticated') || user.groups.includes('system:masters'),
    };
  }
  const allowed = isAllowed(store, user, {
    verb: stringAt(wanted, 'verb'),
    group: stringAt(wanted, 'group'),
    resource: stringAt(wanted, 'resource'),
    subresource: stringAt(wanted, 'subresource'),
    namespace: stringAt(wanted, 'namespace'),
    name: stringAt(wanted, 'name'),
  });
  return allowed ? { allowed } : { allowed, reason: 'no role or binding allows it' };
}

function rules({ store }: Core, user: User, namespace: string): Loose {
  const master = isAllowed(store, user, {
    verb: '*',
    group: '*',
    resource: '*',
    subresource: '',
    namespace: '',
    name: '',
  });
  const found = master
    ? [
        { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
        { verbs: ['*'], nonResourceURLs: ['*'] },
      ]
    : rulesOf(store, user, namespace);
  return {
    incomplete: false,
    resourceRules: found.filter((rule) => listAt(rule, 'resources').length > 0),
    nonResourceRules: found.filter((rule) => listAt(rule, 'nonResourceURLs').length > 0),
  };
}
