import { tryReadSysctl } from './sysctl.ts';

/** What to do where a process may not make a user namespace. user_namespaces(7). */
export function userNamespaceFix(): string {
  if (tryReadSysctl('kernel.unprivileged_userns_clone') === '0') {
    return 'Allow them: sysctl -w kernel.unprivileged_userns_clone=1';
  }
  if (tryReadSysctl('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    return 'Allow them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  if (tryReadSysctl('user.max_user_namespaces') === '0')
    return 'Allow them: sysctl -w user.max_user_namespaces=10000';
  return 'Allow user namespaces on this machine, or run as root. In a container: start it with --privileged.';
}
