/**
 * A shell's script: a process of it is killed for want of memory, within 16 MiB. The shell begins a second before it and
 * ends a second after: with cgroup v1 containerd tells `OOMKilled` only where it had begun to listen, and heard of it
 * before the container has ended. Even so a crowded machine may miss it.
 */
export const runOutOfMemory = 'sleep 1; dd if=/dev/zero of=/dev/null bs=64M count=1; code=$?; sleep 1; exit $code';
