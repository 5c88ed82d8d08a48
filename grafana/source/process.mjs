/** What every process shows of itself. */

import { above, lines } from './panel.mjs';

export const process = [
  lines({
    title: 'Processor',
    says: 'Cores in use, by process.',
    unit: 'short',
    runbook: 'onsaleruntimebusy',
    width: 6,
    queries: [['sum by (job, instance) (rate(process_cpu_seconds_total{@}[$__rate_interval]))', '{{job}} {{instance}}']],
  }),
  lines({
    title: 'How busy the runtime is',
    says: 'The share of the time that the threads of the runtime work. Near 1 everything waits for a thread.',
    unit: 'percentunit',
    runbook: 'onsaleruntimebusy',
    width: 6,
    max: 1,
    thresholds: above(0.9),
    queries: [['max by (job, instance) (onsale_runtime_busy_ratio{@})', '{{job}} {{instance}}']],
  }),
  lines({
    title: 'Tasks that wait for a thread',
    says: 'Length of the global queue of the runtime.',
    unit: 'short',
    runbook: 'onsaleruntimebusy',
    width: 6,
    queries: [['max by (job, instance) (onsale_runtime_queue_depth{@})', '{{job}} {{instance}}']],
  }),
  lines({
    title: 'Threads',
    says: 'Threads of each process, and of them those of the runtime.',
    unit: 'short',
    runbook: 'onsaleruntimebusy',
    width: 6,
    queries: [
      ['max by (job, instance) (process_threads{@})', '{{job}} {{instance}}'],
      ['max by (job, instance) (onsale_runtime_threads{@})', '{{job}} {{instance}} runtime'],
    ],
  }),
  lines({
    title: 'Memory',
    says: 'Resident memory, by process.',
    unit: 'bytes',
    runbook: 'the-edge',
    width: 6,
    queries: [['max by (job, instance) (process_resident_memory_bytes{@})', '{{job}} {{instance}}']],
  }),
  lines({
    title: 'Open files, of those that may be',
    says: 'A socket is an open file. At 1 nothing more can be accepted.',
    unit: 'percentunit',
    runbook: 'onsalefilesnearbound',
    width: 6,
    max: 1,
    thresholds: above(0.8),
    queries: [
      ['max by (job, instance) (process_open_fds{@}) / max by (job, instance) (process_max_fds{@})', '{{job}} {{instance}}'],
    ],
  }),
  lines({
    title: 'Running for',
    says: 'Since the process started. A line that falls to nothing is a restart.',
    unit: 's',
    runbook: 'onsaletargetdown',
    width: 6,
    queries: [['time() - max by (job, instance) (process_start_time_seconds{@})', '{{job}} {{instance}}']],
  }),
  lines({
    title: 'Versions',
    says: 'Processes by version and commit. Two at once are right only while a deploy is under way.',
    unit: 'short',
    runbook: 'onsaletargetdown',
    width: 6,
    stacked: true,
    queries: [['count by (job, version, commit) (onsale_build_info{@})', '{{job}} {{version}} {{commit}}']],
  }),
];
