import { it } from 'vitest'
import { createAt, openAt, placeOf, rawKey, plaintext, findingsOf, restored, filesOf } from './support/stores.js'
import { workerRecorder } from './support/recorder.js'
import { sourceWith, files, noise } from './support/samples.js'
const real=globalThis.setTimeout; (globalThis as any).setTimeout=(f:any,ms:number,...a:any[])=>ms===0?setImmediate(f,...a):real(f,ms,...a)
it('probe', async () => {
  for (const unlock of [rawKey, plaintext]) {
    const place = placeOf()
    const store = await createAt(place, unlock)
    const one = sourceWith([...files({'a.txt':'hello', 'b.bin': noise(300,1), 'd/list': new Uint8Array(3400), 'empty': ''}), {path:'d',type:'directory'},{path:'l',type:'symlink',target:'a.txt'}])
    const two = sourceWith(files({'b2.bin': noise(200,2), 'c': 'x'}), 'other')
    const r = await store.backup([one, two], {host:'h',user:'u'})
    const three = sourceWith([...files({'a.txt':'hello you', 'b.bin': noise(300,1), 'd/list': new Uint8Array(3400), 'empty': '', 'z': noise(100,4)}), {path:'d',type:'directory'},{path:'l',type:'symlink',target:'a.txt'}])
    await store.backup([three, two], {host:'h',user:'u'})
    let n=0; for (const [k,v] of place) { console.log(k.slice(0,20), v.length); n+=v.length }
    console.log(n)
    let t0=performance.now()
    for (let i=0;i<50;i++){ const s = await openAt(place, unlock); await findingsOf(s) }
    console.log('open+check', (performance.now()-t0)/50)
    t0=performance.now()
    for (let i=0;i<50;i++){ const s = await openAt(place, unlock); const x = await restored(s,'latest', i%2?workerRecorder():undefined); if(i<2) console.log([...filesOf(x.found)].map(([p,b])=>p+b.length), x.result.failed) }
    console.log('open+restore', (performance.now()-t0)/50)
  }
})
