/** The hooks that plugins tap: one frozen object of typed tapable hooks. */
import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesWaterfallHook } from 'tapable'
export type Hooks = Readonly<Record<string, unknown>>
void AsyncParallelHook; void AsyncSeriesBailHook; void AsyncSeriesWaterfallHook
