import time,numpy as np,pandas as pd
from flatminima.studies.escape import runs as R
pd.set_option("display.width",200)
t=time.process_time()
s=R.rules(lr=.01,noise=2.,penalty=.05,rho=.3,large=.03)
tab=R.paths(s,range(0,4),R.look_at(20000,20),n=100,extra=200,units=30,batch=10)
print(time.process_time()-t); e=R.summary(tab); print(e); print(R.times(e,list(s)))
print(tab[(tab.seed==0)].pivot(index="step",columns="rule",values="error"))
