import sys
sys.path.insert(0,'/work/main')
from tests.real.test_insides import LxdInsidesTests as B
from tests.contracts.lxd_api import contract
from tests.contracts.insides import Screen, SIZE
class T(B):
    pass
for n in list(dir(B)):
    if n.startswith('test_'): setattr(T,n,None)
import os
async def t(self):
    await self.create()
    await self.put_state("start")
    mode=os.environ["MODE"]
    for i in range(20):
        s=Screen()
        c=await self.insides.console(self.name,SIZE,s)
        await self.sleep(0.3)
        if mode=="log":
            for j in range(10):
                c.write(b"remember\r")
                await self.raw("GET", f"/instances/{self.name}/console")
            await self.sleep(0.1)
        if mode=="close":
            for j in range(10): c.write(b"remember\r"*20)
        if mode=="type":
            for j in range(20): c.write(b"remember\r"*20); await self.sleep(0.01)
            await self.sleep(0.3)
        if mode=="idle":
            pass
        c.close()
        await c.ended
        print(mode,i,len(s.shown),flush=True)
T.test_it=contract(t)
